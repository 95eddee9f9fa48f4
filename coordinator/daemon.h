#pragma once

#include <memory>

#include "common/error/error.h"
#include "coordinator/daemon_config.h"

namespace consilium::coordinator {

/// The consortium's daemon. It connects the state folder, the scheduler and the gRPC service.
class Daemon {
 public:
  /// Opens the state folder and starts to listen. `<state_dir>/port` then holds the port (for `listen: "...:0"`).
  static Result<std::unique_ptr<Daemon>> start(CoordinatorConfig config);
  ~Daemon();

  /// Blocks until stop() is called on another thread, then stops the scheduler and ends every stream and call.
  /// uploads resumable.
  void run();
  /// Thread-safe.
  void stop();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::coordinator
