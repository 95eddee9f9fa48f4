#pragma once

#include <functional>
#include <memory>

namespace consilium::process {

/// Turns SIGTERM, SIGINT and SIGHUP into one call of a function, on a thread of its own. Make it first in main, before
/// any other thread starts: threads inherit that these signals are blocked. A second signal ends the process at once.
class Termination {
 public:
  Termination();
  ~Termination();
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  /// Starts to wait; `stop` is called once, at the first signal. It must be quick and must not throw.
  void on_signal(std::function<void()> stop);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::process
