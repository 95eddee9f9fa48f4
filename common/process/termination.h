#pragma once

#include <functional>
#include <memory>

namespace consilium::process {

/// Turns SIGTERM, SIGINT and SIGHUP into calls of functions, on a thread of its own. Make it first in main, before any
/// other thread starts: threads inherit that these signals are blocked. A second signal to stop ends the process at
/// once.
class Termination {
 public:
  Termination();
  ~Termination();
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  /// Starts to wait; `stop` is called once, at the first signal. Both must be quick and must not throw.
  /// @param reload  called at every SIGHUP; without it SIGHUP stops, too
  void on_signal(std::function<void()> stop, std::function<void()> reload = nullptr);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::process
