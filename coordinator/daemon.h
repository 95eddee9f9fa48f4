#pragma once

#include <filesystem>
#include <memory>

#include "common/error/error.h"
#include "coordinator/daemon_config.h"

namespace consilium::coordinator {

/// The consortium's daemon. It connects the state folder, the scheduler and the gRPC service.
class Daemon {
 public:
  /// Opens the state folder and starts to listen. `<state_dir>/port` then holds the port (for `listen: "...:0"`).
  /// @param file  the configuration's file, which the daemon rereads when it changes; empty: never reread
  static Result<std::unique_ptr<Daemon>> start(CoordinatorConfig config, const std::filesystem::path& file = {});
  ~Daemon();

  /// Blocks until stop() is called on another thread, then stops the scheduler and ends every stream and call.
  /// uploads resumable.
  void run();
  /// Thread-safe.
  void stop();
  /// Makes run() reread the configuration now, rather than only when it notices a change. Thread-safe.
  void reload();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::coordinator
