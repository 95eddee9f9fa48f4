#include "client/transport/site_stream.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "common/logging/event.h"
#include "common/wire/conversions.h"
#include "common/wire/status.h"
#include "common/wire/tls_credentials.h"
#include "consilium/v1/federation.grpc.pb.h"

namespace consilium::transport {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxQueued = 1024;
/// Maximum number of messages that may wait to be taken. Beyond that, the stream isn't read. A message has up to 2 MiB.
constexpr std::size_t kMaxUntaken = 8;
constexpr auto kRevocationsEvery = std::chrono::seconds(2);

class GrpcStream final : public SiteStream, public grpc::ClientBidiReactor<v1::SiteMessage, v1::CoordinatorMessage> {
 public:
  GrpcStream(const std::shared_ptr<grpc::Channel>& channel, std::shared_ptr<const pki::TrustStore> trust,
             std::function<std::optional<Error>()> give_up)
      : trust_(std::move(trust)), give_up_(std::move(give_up)), stub_(v1::Federation::NewStub(channel)) {}

  void start();
  Event next(const std::stop_token& stop) override;
  Result<void> send(const wire::SiteMessage& message) override;

  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  bool push_message(wire::CoordinatorMessage message);
  void resume_reading(std::unique_lock<std::mutex>& lock);
  void write_next();
  void check_trust();

  const std::shared_ptr<const pki::TrustStore> trust_;
  const std::function<std::optional<Error>()> give_up_;
  grpc::ClientContext context_;
  const std::unique_ptr<v1::Federation::Stub> stub_;
  v1::CoordinatorMessage incoming_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Event> events_;
  std::deque<v1::SiteMessage> outgoing_;
  bool open_ = false;
  bool read_ended_ = false;
  bool read_paused_ = false;  ///< no read is in progress until next() has made room
  bool writing_ = false;
  Clock::time_point next_check_ = Clock::now() + kRevocationsEvery;
  std::optional<Error> refused_;  ///< why this side ended the stream
};

void GrpcStream::start() {
  stub_->async()->Attend(&context_, this);
  // The hold is needed because messages are written from outside gRPC's own calls. It is removed when the reads have
  // ended.
  AddHold();
  StartRead(&incoming_);
  StartCall();
}

SiteStream::Event GrpcStream::next(const std::stop_token& stop) {
  const std::stop_callback cancel(stop, [this] { context_.TryCancel(); });
  std::unique_lock lock(mutex_);
  do {
    if (Clock::now() >= next_check_) check_trust();
  } while (!changed_.wait_until(lock, next_check_, [this] { return !events_.empty(); }));
  Event event = std::move(events_.front());
  events_.pop_front();
  resume_reading(lock);
  return event;
}

/// Ends the stream if the coordinator's certificate is no longer valid. Also warns of a revocation list that expires
/// soon.
void GrpcStream::check_trust() {
  next_check_ = Clock::now() + kRevocationsEvery;
  if (const auto warning = trust_->warning_due()) logging::event(logging::Event::kListEnding, {}, *warning);
  if (!open_) return;
  const auto good = wire::identity_of_peer(*context_.auth_context(), *trust_, {pki::Role::kCoordinator});
  std::optional<Error> reason;
  if (!good) {
    reason = good.error().within("the site ends the stream");
  } else if (give_up_) {
    reason = give_up_();
  }
  if (!reason) return;
  refused_ = std::move(reason);
  open_ = false;
  context_.TryCancel();
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

/// Queues a message as an event. Returns true if the next message may be read; otherwise next() resumes reading.
bool GrpcStream::push_message(wire::CoordinatorMessage message) {
  const std::lock_guard lock(mutex_);
  events_.emplace_back(std::move(message));
  changed_.notify_all();
  read_paused_ = events_.size() >= kMaxUntaken;
  return !read_paused_;
}

void GrpcStream::resume_reading(std::unique_lock<std::mutex>& lock) {
  if (!read_paused_ || events_.size() >= kMaxUntaken) return;
  read_paused_ = false;
  lock.unlock();  // gRPC may call OnReadDone before StartRead returns
  StartRead(&incoming_);
}

void GrpcStream::OnReadInitialMetadataDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!ok || read_ended_) return;
  const auto peer = wire::identity_of_peer(*context_.auth_context(), *trust_, {pki::Role::kCoordinator});
  if (!peer) {
    refused_ = peer.error().within("the site ends the stream");
    context_.TryCancel();
    return;
  }
  open_ = true;
  events_.push_back(Connected{pki::to_uri(*peer)});
  changed_.notify_all();
}

void GrpcStream::OnReadDone(bool ok) {
  if (ok) {
    auto message = wire::from_proto(incoming_);
    if (message) {
      if (push_message(std::move(*message))) StartRead(&incoming_);
      return;
    }
    const std::lock_guard lock(mutex_);
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
  const std::lock_guard lock(mutex_);
  events_.push_back(refused_.value_or(std::move(why)));
  changed_.notify_all();
}

}  // namespace

std::shared_ptr<SiteStream> SiteStream::open(const std::shared_ptr<grpc::Channel>& channel,
                                             std::shared_ptr<const pki::TrustStore> trust,
                                             std::function<std::optional<Error>()> give_up) {
  auto stream = std::make_shared<GrpcStream>(channel, std::move(trust), std::move(give_up));
  stream->start();
  return stream;
}

}  // namespace consilium::transport
