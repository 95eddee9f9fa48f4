#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>

#include "common/error/error.h"
#include "common/pki/trust.h"
#include "common/wire/messages.h"

namespace grpc {
class Channel;
}

namespace consilium::transport {

/// One attempt at the stream to the coordinator, from its opening to its end. gRPC's threads queue the events, and the
/// link's thread takes them.
class SiteStream {
 public:
  struct Connected {
    std::string coordinator;  ///< URI in its certificate
  };
  using Event = std::variant<Connected, wire::CoordinatorMessage, Error>;  ///< an Error is always the last event

  /// Opens a stream. The caller must keep it until next() has returned an Error, because only then has gRPC finished
  /// with it. It must not be destroyed inside one of gRPC's own calls: it may hold the last reference to the channel,
  /// whose destructor waits for gRPC's threads.
  /// @param trust  checks the coordinator's certificate against the root, the revocation list and the clock every two
  ///               seconds; once the certificate is revoked or has expired, the stream ends with kUnauthenticated
  /// @param give_up  called from next() at the same interval; if it returns an error, the stream ends with that error
  static std::shared_ptr<SiteStream> open(const std::shared_ptr<grpc::Channel>& channel,
                                          std::shared_ptr<const pki::TrustStore> trust,
                                          std::function<std::optional<Error>()> give_up = nullptr);
  virtual ~SiteStream() = default;

  /// Waits for the next event. A stop request cancels the stream, whose end is then the next event.
  virtual Event next(const std::stop_token& stop) = 0;
  /// Queues a message. kUnavailable if the stream isn't open, kResourceExhausted if the coordinator doesn't read its
  /// messages.
  virtual Result<void> send(const wire::SiteMessage& message) = 0;
};

}  // namespace consilium::transport
