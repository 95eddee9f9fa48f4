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

/// One attempt at the stream to the coordinator, from its opening to its end. Events are queued by gRPC's threads and
/// taken by the link's.
class SiteStream {
 public:
  struct Connected {
    std::string coordinator;  ///< URI in its certificate
  };
  using Event = std::variant<Connected, wire::CoordinatorMessage, Error>;  ///< an Error is the last one

  /// Opens a stream. Its owner keeps it until next() returned an Error: gRPC is through with it then. It may not end in
  /// one of gRPC's own calls, for with it may go the last hold on the channel, which waits for gRPC's threads.
  /// @param trust  holds the coordinator's certificate against root, list and clock every two seconds: once it is
  /// revoked or has ended, so does the stream, with kUnauthenticated
  /// @param give_up  asked as often, from next(): an error ends the stream with it
  static std::shared_ptr<SiteStream> open(const std::shared_ptr<grpc::Channel>& channel,
                                          std::shared_ptr<const pki::TrustStore> trust,
                                          std::function<std::optional<Error>()> give_up = nullptr);
  virtual ~SiteStream() = default;

  /// Waits for the next event; a request to stop cancels the stream, whose end is then the next event.
  virtual Event next(const std::stop_token& stop) = 0;
  /// Queues a message; kUnavailable where the stream isn't open, kResourceExhausted where the coordinator doesn't read.
  virtual Result<void> send(const wire::SiteMessage& message) = 0;
};

}  // namespace consilium::transport
