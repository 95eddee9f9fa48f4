#include "common/process/system_call_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>

namespace consilium::process {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the seccomp filters know x86-64 and AArch64"
#endif

/// Bit in the call numbers of x86-64's x32 table; the numbers of other tables are smaller.
constexpr std::uint32_t kForeignTable = 0x40000000;

constexpr sock_filter statement(unsigned code, std::uint32_t value) {
  return {static_cast<std::uint16_t>(code), 0, 0, value};
}
/// Builds a jump that skips the given numbers of instructions.
constexpr sock_filter jump(unsigned test, std::uint32_t value, std::size_t if_true, std::size_t if_false) {
  return {static_cast<std::uint16_t>(BPF_JMP | BPF_K | test), static_cast<std::uint8_t>(if_true),
          static_cast<std::uint8_t>(if_false), value};
}
constexpr sock_filter load(std::size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter give(std::uint32_t action) { return statement(BPF_RET | BPF_K, action); }
constexpr sock_filter kLoadCall = load(offsetof(seccomp_data, nr));

}  // namespace

SystemCallFilter::SystemCallFilter() {
  const auto kill_unless = [this](sock_filter test) {
    code_.insert(code_.end(), {test, give(SECCOMP_RET_KILL_PROCESS)});
  };
  code_.push_back(load(offsetof(seccomp_data, arch)));
  kill_unless(jump(BPF_JEQ, kArchitecture, 1, 0));  // check: filter-architecture
  code_.push_back(kLoadCall);
  kill_unless(jump(BPF_JGE, kForeignTable, 0, 1));  // check: filter-foreign-table
}

void SystemCallFilter::answer(int call, std::uint32_t action) {
  code_.push_back(jump(BPF_JEQ, static_cast<std::uint32_t>(call), 0, 1));
  code_.push_back(give(action));
}

void SystemCallFilter::deny(int call, int error) {
  answer(call, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
}

void SystemCallFilter::deny_all(std::span<const int> calls) {
  for (const int call : calls) deny(call);
}

void SystemCallFilter::ask_listener(int call) { answer(call, SECCOMP_RET_USER_NOTIF); }

void SystemCallFilter::allow_when(int call, std::initializer_list<Argument> arguments) {
  constexpr std::size_t kPerArgument = 3;
  std::size_t left = kPerArgument * arguments.size() + 1;  // instructions until the call's number is loaded again
  code_.push_back(jump(BPF_JEQ, static_cast<std::uint32_t>(call), 0, left + 1));
  for (const Argument& argument : arguments) {
    left -= kPerArgument;
    code_.push_back(load(offsetof(seccomp_data, args) + argument.index * sizeof(std::uint64_t)));  // little-endian
    code_.push_back(statement(BPF_ALU | BPF_AND | BPF_K, argument.mask));
    code_.push_back(jump(BPF_JEQ, argument.value, 0, left));
  }
  code_.push_back(give(SECCOMP_RET_ALLOW));
  code_.push_back(kLoadCall);
}

std::vector<sock_filter> SystemCallFilter::program() const {
  std::vector<sock_filter> whole = code_;
  whole.push_back(give(rest_denied_ ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW));
  return whole;
}

}  // namespace consilium::process
