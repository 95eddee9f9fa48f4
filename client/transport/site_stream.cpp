#include "client/transport/site_stream.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "common/wire/conversions.h"
#include "common/wire/status.h"
#include "consilium/v1/federation.grpc.pb.h"

namespace consilium::transport {

namespace {

constexpr std::size_t kMaxQueued = 1024;

class GrpcStream final : public SiteStream, public grpc::ClientBidiReactor<v1::SiteMessage, v1::CoordinatorMessage> {
 public:
  explicit GrpcStream(const std::shared_ptr<grpc::Channel>& channel) : stub_(v1::Federation::NewStub(channel)) {}

  void start();
  Event next(const std::stop_token& stop) override;
  Result<void> send(const wire::SiteMessage& message) override;

  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void push(Event event);
  void write_next();

  grpc::ClientContext context_;
  const std::unique_ptr<v1::Federation::Stub> stub_;
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

void GrpcStream::start() {
  stub_->async()->Attend(&context_, this);
  // A hold: messages are written from outside gRPC's own calls; it goes when the reads have ended.
  AddHold();
  StartRead(&incoming_);
  StartCall();
}

SiteStream::Event GrpcStream::next(const std::stop_token& stop) {
  const std::stop_callback cancel(stop, [this] { context_.TryCancel(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !events_.empty(); });
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Result<void> GrpcStream::send(const wire::SiteMessage& message) {
  v1::SiteMessage proto = wire::to_proto(message);
  const std::lock_guard lock(mutex_);
  if (!open_) return fail(ErrorCode::kUnavailable, "there is no stream to the coordinator");
  if (outgoing_.size() >= kMaxQueued)
    return fail(ErrorCode::kResourceExhausted, "the coordinator does not read this site's messages");
  outgoing_.push_back(std::move(proto));
  write_next();
  return {};
}

void GrpcStream::write_next() {
  if (writing_ || outgoing_.empty()) return;
  writing_ = true;
  StartWrite(&outgoing_.front());
}

void GrpcStream::push(Event event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

void GrpcStream::OnReadInitialMetadataDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!ok || read_ended_) return;
  open_ = true;
  events_.push_back(Connected{});
  changed_.notify_all();
}

void GrpcStream::OnReadDone(bool ok) {
  if (ok) {
    auto message = wire::from_proto(incoming_);
    if (message) {
      push(std::move(*message));
      return StartRead(&incoming_);
    }
    refused_ = message.error().within("the coordinator sent a malformed message");
    context_.TryCancel();
  }
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
    read_ended_ = true;
  }
  RemoveHold();
}

void GrpcStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_.pop_front();
  if (!ok) open_ = false;
  if (open_) write_next();
}

void GrpcStream::OnDone(const grpc::Status& status) {
  Error why =
      status.ok() ? Error{ErrorCode::kUnavailable, "the coordinator ended the stream"} : wire::error_from(status);
  push(refused_.value_or(std::move(why)));
}

}  // namespace

std::shared_ptr<SiteStream> SiteStream::open(const std::shared_ptr<grpc::Channel>& channel) {
  auto stream = std::make_shared<GrpcStream>(channel);
  stream->start();
  return stream;
}

}  // namespace consilium::transport
