#pragma once

#include <linux/filter.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace consilium::process {

/// Builds a seccomp filter (seccomp(2)) from rules about single system calls. The rules for a call are tried in the
/// order in which they were added, and the first match decides. A call without a matching rule is allowed, unless
/// deny_rest() was called. A call from another architecture's table, including x32's, kills the process.
class SystemCallFilter {
 public:
  /// A condition on one argument: its low 32 bits, masked with `mask`, equal `value`. The low half is enough because
  /// it's all that the kernel reads of descriptors, families, process ids and clone's flags.
  struct Argument {
    unsigned index = 0;
    std::uint32_t value = 0;
    std::uint32_t mask = 0xFFFFFFFF;
  };

  SystemCallFilter();

  /// Makes the call fail with `error`.
  void deny(int call, int error = EPERM);
  /// Makes these calls fail with EPERM.
  void deny_all(std::span<const int> calls);
  /// Allows the call if all these conditions hold.
  void allow_when(int call, std::initializer_list<Argument> arguments);
  /// Passes the call to the filter's listener. Without a listener the call fails with ENOSYS.
  void ask_listener(int call);

  /// Makes every call without a matching rule fail with EPERM, instead of allowing it.
  void deny_rest() { rest_denied_ = true; }

  /// Returns the filter's program. Kernels accept at most 4,096 instructions.
  [[nodiscard]] std::vector<sock_filter> program() const;

 private:
  void answer(int call, std::uint32_t action);
  std::vector<sock_filter> code_;
  bool rest_denied_ = false;
};

}  // namespace consilium::process
