#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::service {

/// Accepts connections for gRPC. gRPC's own listener stops accepting for good when it once finds no free descriptor
/// (grpc issue 20418), so anybody who can reach the port could silence it. This listener
/// - hands a connection to gRPC only when its first bytes have arrived, because gRPC spends 30 KB and a timer on each;
/// - closes a connection that stays silent for kSilence, and the oldest silent ones when there are more than kMaxSilent
///   or when descriptors run short, so that silent connections can't keep others out;
/// - keeps some descriptors back for what the coordinator itself opens, and closes connections beyond them at once.
/// The log tells how many were closed. gRPC ends a TLS handshake that takes too long.
class Listener {
 public:
  /// How many connections may be silent at a time.
  static constexpr std::size_t kMaxSilent = 1024;
  /// How long a connection may be silent before its first bytes. A TLS client sends them at once.
  static constexpr std::chrono::seconds kSilence{10};
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
