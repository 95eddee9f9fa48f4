#include "client/trainer/system_call_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace consilium::trainer {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kForeignNumbers = 0x40000000;  // x32: the same calls under other numbers
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kForeignNumbers = 0xFFFFFFFF;
#else
constexpr std::uint32_t kArchitecture = 0;
constexpr std::uint32_t kForeignNumbers = 0;
#endif

constexpr std::array<std::uint32_t, 24> kDenied{
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

sock_filter statement(std::uint16_t code, std::uint32_t value) { return {code, 0, 0, value}; }
sock_filter jump(std::uint16_t code, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return {code, yes, no, value};
}

/// Load the architecture, then the call's number; whatever is foreign or listed jumps to the last statement.
std::vector<sock_filter> program() {
  constexpr auto kLoad = BPF_LD | BPF_W | BPF_ABS;
  constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  std::vector<sock_filter> filter{
      statement(kLoad, offsetof(seccomp_data, arch)),
      jump(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      statement(BPF_RET | BPF_K, kRefuse),
      statement(kLoad, offsetof(seccomp_data, nr)),
      jump(BPF_JMP | BPF_JGE | BPF_K, kForeignNumbers, static_cast<std::uint8_t>(kDenied.size() + 1), 0),
  };
  for (std::size_t i = 0; i < kDenied.size(); ++i) {
    filter.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, kDenied[i], static_cast<std::uint8_t>(kDenied.size() - i), 0));
  }
  filter.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  filter.push_back(statement(BPF_RET | BPF_K, kRefuse));
  return filter;
}

}  // namespace

Result<void> deny_system_calls() {
  if (kArchitecture == 0) {
    return fail(ErrorCode::kFailedPrecondition, "no system call filter is known for this kind of machine");
  }
  std::vector<sock_filter> filter = program();
  const sock_fprog installed{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &installed) != 0) {
    return fail(ErrorCode::kFailedPrecondition,
                std::string("the kernel refuses a system call filter: ") + std::strerror(errno));
  }
  return {};
}

}  // namespace consilium::trainer
