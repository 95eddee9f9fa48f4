#pragma once

#include <linux/filter.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace consilium::process {

/// Builds a seccomp filter (seccomp(2)) from rules about single system calls. The rules of one call are tried in the
/// order in which they were added, and the first that fits decides; a call without a fitting rule is allowed, unless
/// deny_rest() was called. A call of another architecture's table, x32's included, kills the process.
class SystemCallFilter {
 public:
  /// What one argument must be: its low 32 bits and `mask` give `value`. Kernels read descriptors, families, process
  /// ids and clone's flags from the low half alone.
  struct Argument {
    unsigned index = 0;
    std::uint32_t value = 0;
    std::uint32_t mask = 0xFFFFFFFF;
  };

  SystemCallFilter();

  /// Lets the call fail with `error`.
  void deny(int call, int error = EPERM);
  /// Lets these calls fail with EPERM.
  void deny_all(std::span<const int> calls);
  /// Allows the call where all these arguments are so.
  void allow_when(int call, std::initializer_list<Argument> arguments);
  /// Asks the listener of the filter about the call; without a listener it fails with ENOSYS.
  void ask_listener(int call);

  /// Lets every call without a fitting rule fail with EPERM, instead of allowing it.
  void deny_rest() { rest_denied_ = true; }

  /// Returns the program; at most 4,096 instructions are accepted by kernels.
  [[nodiscard]] std::vector<sock_filter> program() const;

 private:
  void answer(int call, std::uint32_t action);
  std::vector<sock_filter> code_;
  bool rest_denied_ = false;
};

}  // namespace consilium::process
