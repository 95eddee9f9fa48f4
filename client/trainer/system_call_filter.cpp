#include "client/trainer/system_call_filter.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "common/process/system_call_filter.h"

namespace consilium::trainer {
namespace {

constexpr std::array kDenied{
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_execve,
    SYS_execveat,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_mount,
    SYS_unshare,
    SYS_setns,
};

}  // namespace

Result<void> deny_calls_after_setup() {
  process::SystemCallFilter filter;
  filter.deny_all(kDenied);
  std::vector<sock_filter> program = filter.program();
  const sock_fprog installed{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &installed) != 0) {
    return fail(ErrorCode::kFailedPrecondition,
                std::string("the kernel refuses a system call filter: ") + std::strerror(errno));
  }
  return {};
}

}  // namespace consilium::trainer
