#include "tests/confined_run/trace.h"

#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>

namespace consilium::trainer {
namespace {

/// A call that can be refused: its name, and the index of the argument that is a path (-1: none).
struct Known {
  long number;
  const char* name;
  int path;
};
constexpr std::array kKnown{Known{SYS_open, "open", 0},
                            Known{SYS_openat, "openat", 1},
                            Known{SYS_mkdir, "mkdir", 0},
                            Known{SYS_mkdirat, "mkdirat", 1},
                            Known{SYS_unlink, "unlink", 0},
                            Known{SYS_mknod, "mknod", 0},
                            Known{SYS_mknodat, "mknodat", 1},
                            Known{SYS_rename, "rename", 0},
                            Known{SYS_access, "access", 0},
                            Known{SYS_faccessat, "faccessat", 1},
                            Known{SYS_readlink, "readlink", 0},
                            Known{SYS_chmod, "chmod", 0},
                            Known{SYS_execve, "execve", 0},
                            Known{SYS_ioctl, "ioctl", -1},
                            Known{SYS_socket, "socket", -1},
                            Known{SYS_socketpair, "socketpair", -1},
                            Known{SYS_connect, "connect", -1},
                            Known{SYS_bind, "bind", -1},
                            Known{SYS_listen, "listen", -1},
                            Known{SYS_accept4, "accept4", -1},
                            Known{SYS_clone, "clone", -1},
                            Known{SYS_clone3, "clone3", -1},
                            Known{SYS_fork, "fork", -1},
                            Known{SYS_vfork, "vfork", -1},
                            Known{SYS_prlimit64, "prlimit64", -1},
                            Known{SYS_memfd_create, "memfd_create", -1},
                            Known{SYS_mbind, "mbind", -1},
                            Known{SYS_set_mempolicy, "set_mempolicy", -1},
                            Known{SYS_get_mempolicy, "get_mempolicy", -1},
                            Known{SYS_move_pages, "move_pages", -1},
                            Known{SYS_sched_setaffinity, "sched_setaffinity", -1},
                            Known{SYS_sched_setscheduler, "sched_setscheduler", -1},
                            Known{SYS_setpriority, "setpriority", -1},
                            Known{SYS_mlock, "mlock", -1},
                            Known{SYS_kcmp, "kcmp", -1},
                            Known{SYS_pidfd_open, "pidfd_open", -1},
                            Known{SYS_process_vm_readv, "process_vm_readv", -1},
                            Known{SYS_userfaultfd, "userfaultfd", -1},
                            Known{SYS_perf_event_open, "perf_event_open", -1},
                            Known{SYS_io_uring_setup, "io_uring_setup", -1},
                            Known{SYS_shmget, "shmget", -1}};

struct Call {
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> arguments{};
};

std::string text_at(pid_t process, std::uint64_t address) {
  std::array<char, 256> bytes{};
  const iovec here{bytes.data(), bytes.size() - 1};
  const iovec there{reinterpret_cast<void*>(address), bytes.size() - 1};
  if (process_vm_readv(process, &here, 1, &there, 1, 0) <= 0) return fmt::format("{:#x}", address);
  return bytes.data();
}

std::string in_words(pid_t process, const Call& call, std::int64_t error) {
  const char* name = strerrorname_np(static_cast<int>(error));
  for (const Known& known : kKnown) {
    if (static_cast<std::uint64_t>(known.number) != call.number) continue;
    const std::string detail =
        known.path >= 0 ? text_at(process, call.arguments[static_cast<std::size_t>(known.path)])
                        : fmt::format("{:#x}, {:#x}, {:#x}", call.arguments[0], call.arguments[1], call.arguments[2]);
    return fmt::format("{}({}) = {}", known.name, detail, name);
  }
  return fmt::format("system call {}({:#x}, {:#x}) = {}", call.number, call.arguments[0], call.arguments[1], name);
}

/// The state of the traced threads while they run.
class Tracer {
 public:
  explicit Tracer(pid_t child) : child_(child) {}

  int run() {
    int status = 0;
    waitpid(child_, &status, __WALL);
    ptrace(PTRACE_SETOPTIONS, child_, nullptr,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
    ptrace(PTRACE_SYSCALL, child_, nullptr, nullptr);
    while (true) {
      const pid_t thread = waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0) return status;
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (thread == child_) return status;
        continue;
      }
      ptrace(PTRACE_SYSCALL, thread, nullptr, signal_to_pass(thread, status));
    }
  }

  [[nodiscard]] std::vector<std::string> refused() const {
    std::vector<std::string> lines;
    for (const auto& [line, count] : refused_) lines.push_back(fmt::format("{} x {}", count, line));
    return lines;
  }

 private:
  /// Handles a stop of a thread. Returns the signal to deliver when the thread continues.
  long signal_to_pass(pid_t thread, int status) {
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      look(thread);
      return 0;
    }
    const bool new_thread = signal == SIGSTOP && !running_.contains(thread);
    running_[thread];
    return signal == SIGTRAP || new_thread ? 0 : signal;
  }

  void look(pid_t thread) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      Call& call = running_[thread];
      call.number = info.entry.nr;
      for (std::size_t i = 0; i < call.arguments.size(); ++i) call.arguments[i] = info.entry.args[i];
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error != 0) {
      const std::int64_t error = -info.exit.rval;
      if (error == EPERM || error == EACCES || error == ENOSYS) ++refused_[in_words(thread, running_[thread], error)];
    }
  }

  pid_t child_;
  std::map<pid_t, Call> running_;
  std::map<std::string, int> refused_;
};

}  // namespace

void wait_for_tracer() {
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  raise(SIGSTOP);
}

std::vector<std::string> refused_calls(pid_t child, int& status) {
  Tracer tracer(child);
  status = tracer.run();
  return tracer.refused();
}

}  // namespace consilium::trainer
