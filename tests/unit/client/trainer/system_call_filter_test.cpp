#include "client/trainer/system_call_filter.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "tests/catch.h"

namespace consilium::trainer {
namespace {

bool refused(long result) { return result == -1 && errno == EPERM; }

/// Runs in a child, because the filter can't be removed again. Returns 0, or the number of the first check that failed.
int check_filter() {
  int from_thread = 0;
  if (!deny_calls_after_setup()) return 1;
  if (!refused(::socket(AF_INET, SOCK_STREAM, 0))) return 2;
  if (!refused(::socket(AF_UNIX, SOCK_STREAM, 0))) return 3;
  if (!refused(::syscall(SYS_io_uring_setup, 1, nullptr))) return 4;
  if (!refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr))) return 5;
  if (!refused(::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0))) return 6;
  if (!refused(::syscall(SYS_pidfd_getfd, 0, 0, 0))) return 7;
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  if (!refused(::execv(program, arguments))) return 8;
  if (!refused(::syscall(SYS_execveat, AT_FDCWD, program, arguments, nullptr, 0))) return 9;
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 11;
  ::close(file);
  std::thread([&] { from_thread = refused(::socket(AF_INET, SOCK_STREAM, 0)) ? 0 : 12; }).join();
  return from_thread;
}

TEST_CASE("the filter denies sockets, exec, ptrace and friends, and leaves files and threads") {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(check_filter());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

#if defined(__x86_64__)
TEST_CASE("a call of the x32 table kills a process with the filter") {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!deny_calls_after_setup()) ::_exit(1);
    ::syscall(0x40000000L + SYS_getpid);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSYS);
}
#endif

}  // namespace
}  // namespace consilium::trainer
