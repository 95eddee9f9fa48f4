#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "client/trainer_process/trainer_process.h"
#include "common/error/error.h"

namespace consilium::client {

/// Returns the settings with which the client starts its trainer under a policy.
[[nodiscard]] trainer::TrainerConfig trainer_config(const ClientConfig& config, const policy::Policy& policy);

/// A hospital's daemon, with one link to the coordinator, one trainer and the site's policy. It opens every connection
/// itself and listens on none.
class Daemon {
 public:
  /// Checks everything that can be checked before connecting: the policy, the certificate and its key, the data sets'
  /// paths, and the trainer's program. Fails closed: without a policy, no daemon is created.
  /// @param file  the configuration's file, which the daemon rereads when it changes; empty: never reread
  static Result<std::unique_ptr<Daemon>> create(ClientConfig config, const std::filesystem::path& file = {});
  ~Daemon();

  /// Takes part in sessions until stop() is called. Returns once everything has shut down.
  void run();
  /// Makes run() reread the configuration, the policy and the roster now, rather than only when it notices that they
  /// have changed. Thread-safe.
  void reload();
  /// Asks run() to return. Thread-safe; may be called before run().
  void stop();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::client
