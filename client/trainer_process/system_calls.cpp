#include "client/trainer_process/system_calls.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace consilium::trainer {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the trainer's seccomp filter knows x86-64 and AArch64"
#endif

/// Set in the numbers of x86-64's x32 table.
constexpr std::uint32_t kForeignTable = 0x40000000;

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter jump(std::uint16_t test, std::uint32_t value, std::uint8_t if_true, std::uint8_t if_false) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, if_true, if_false);
}
constexpr sock_filter give(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

// Jumps count the instructions that they pass over; the last but one denies, the last allows.
constexpr std::array kFilter{
    load(offsetof(seccomp_data, arch)),
    jump(BPF_JEQ, kArchitecture, 0, 15),
    load(offsetof(seccomp_data, nr)),
    jump(BPF_JGE, kForeignTable, 13, 0),
    jump(BPF_JEQ, SYS_io_uring_setup, 12, 0),
    jump(BPF_JEQ, SYS_io_uring_enter, 11, 0),
    jump(BPF_JEQ, SYS_io_uring_register, 10, 0),
    jump(BPF_JEQ, SYS_bpf, 9, 0),
    jump(BPF_JEQ, SYS_add_key, 8, 0),
    jump(BPF_JEQ, SYS_request_key, 7, 0),
    jump(BPF_JEQ, SYS_keyctl, 6, 0),
    jump(BPF_JEQ, SYS_socket, 0, 6),
    load(offsetof(seccomp_data, args)),  // the family: the low half of the first argument, little-endian
    jump(BPF_JEQ, AF_UNIX, 4, 0),
    jump(BPF_JEQ, AF_INET, 3, 0),
    jump(BPF_JEQ, AF_INET6, 2, 0),
    jump(BPF_JEQ, AF_NETLINK, 1, 0),
    give(SECCOMP_RET_ERRNO | EPERM),
    give(SECCOMP_RET_ALLOW),
};

}  // namespace

int deny_system_calls() {
  const sock_fprog program{static_cast<unsigned short>(kFilter.size()), const_cast<sock_filter*>(kFilter.data())};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : errno;
}

}  // namespace consilium::trainer
