#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::service {

/// Accepts connections for gRPC. gRPC's own listener never accepts again once it found no free descriptor (grpc issue
/// 20418), which anybody who can reach the port could bring about. This one keeps some descriptors back for what the
/// coordinator itself opens, closes connections beyond them at once, and says so in the log.
class Listener {
 public:
  /// Descriptors that connections don't get: files, blobs, spooled uploads, and the sockets of this program itself.
  static constexpr int kReserve = 64;

  /// Listens on every address that HOST:PORT has; port 0 takes a free one.
  /// Fails with kAlreadyExists where another program has the port, and kFailedPrecondition where it can't otherwise.
  static Result<Listener> open(const std::string& address);

  /// Accepts from now on, on a thread of its own. @param take  gets each connection, and owns it
  void start(std::function<void(files::Descriptor)> take);
  [[nodiscard]] int port() const { return port_; }

 private:
  std::vector<files::Descriptor> sockets_;  ///< until start(): then the thread has them
  std::jthread thread_;
  int port_ = 0;
};

}  // namespace consilium::service
