#pragma once

#include <functional>
#include <memory>

#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "client/trainer_process/trainer_process.h"
#include "common/error/error.h"

namespace consilium::client {

/// How the client starts its trainer under a policy.
[[nodiscard]] trainer::TrainerConfig trainer_config(const ClientConfig& config, const policy::Policy& policy);

/// A hospital's daemon: one link to the coordinator, one trainer, the site's policy. It opens every connection and
/// listens on none.
class Daemon {
 public:
  /// Checks everything that can be checked before a connection: policy, certificate and key, data sets' paths, the
  /// trainer's program. Fails closed: without a policy there is no daemon.
  static Result<std::unique_ptr<Daemon>> create(ClientConfig config);
  ~Daemon();

  /// Takes part until stop(); returns once everything is wound up.
  void run();
  /// Makes run() read policy and roster again now, and not only when it sees them change. Thread-safe.
  void reload();
  /// Asks run() to return. Thread-safe; may be called before run().
  void stop();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::client
