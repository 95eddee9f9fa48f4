#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <variant>

#include "common/error/error.h"
#include "common/wire/messages.h"
#include "consilium/v1/federation.grpc.pb.h"

namespace consilium::transport {

/// One attempt at the stream to the coordinator, from its opening to its end. Events are queued by gRPC's threads and
/// taken by the link's. Shows gRPC: for the transport's .cpp files only.
class SiteStream final : public grpc::ClientBidiReactor<v1::SiteMessage, v1::CoordinatorMessage> {
 public:
  struct Connected {};
  using Event = std::variant<Connected, wire::CoordinatorMessage, Error>;  ///< an Error is the last one

  /// Opens a stream. Its owner keeps it until next() returned an Error: gRPC is through with it then. It may not end in
  /// one of gRPC's own calls, for with it may go the last hold on the channel, which waits for gRPC's threads.
  static std::shared_ptr<SiteStream> open(const std::shared_ptr<grpc::Channel>& channel);

  /// Waits for the next event; a request to stop cancels the stream, whose end is then the next event.
  Event next(const std::stop_token& stop);
  /// Queues a message; kUnavailable where the stream isn't open, kResourceExhausted where the coordinator doesn't read.
  Result<void> send(const wire::SiteMessage& message);

  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void push(Event event);
  void write_next();

  grpc::ClientContext context_;
  std::unique_ptr<v1::Federation::Stub> stub_;
  v1::CoordinatorMessage incoming_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Event> events_;
  std::deque<v1::SiteMessage> outgoing_;
  bool open_ = false;
  bool read_ended_ = false;
  bool writing_ = false;
  std::optional<Error> refused_;  ///< what the coordinator sent was no message of ours
};

}  // namespace consilium::transport
