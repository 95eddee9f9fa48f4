#pragma once

#include <memory>

#include "common/error/error.h"
#include "coordinator/daemon_config.h"

namespace consilium::coordinator {

/// The consortium's daemon: state folder, scheduler and gRPC service, wired together.
class Daemon {
 public:
  /// Opens the state folder and listens; `<state_dir>/port` then holds the port (for `listen: "...:0"`).
  static Result<std::unique_ptr<Daemon>> start(CoordinatorConfig config);
  ~Daemon();

  /// Blocks until stop() is called from elsewhere, then winds up: streams end, uploads under way stay resumable.
  void run();
  /// Thread-safe.
  void stop();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::coordinator
