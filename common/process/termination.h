#pragma once

#include <functional>
#include <memory>

namespace consilium::process {

/// Turns SIGTERM, SIGINT and SIGHUP into function calls on a separate thread. Create it first in main, before any other
/// thread starts, because threads inherit the blocked signals. A second stop signal ends the process immediately.
class Termination {
 public:
  Termination();
  ~Termination();
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  /// Starts handling signals. `stop` is called once, at the first stop signal. Both functions must be quick and must
  /// not throw.
  /// @param reload  called at every SIGHUP; without it, SIGHUP is a stop signal too
  void on_signal(std::function<void()> stop, std::function<void()> reload = nullptr);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::process
