#include "client/transport/site_stream.h"

#include "common/wire/conversions.h"
#include "common/wire/status.h"

namespace consilium::transport {

namespace {
constexpr std::size_t kMaxQueued = 1024;
}  // namespace

std::shared_ptr<SiteStream> SiteStream::open(const std::shared_ptr<grpc::Channel>& channel) {
  auto stream = std::make_shared<SiteStream>();
  stream->stub_ = v1::Federation::NewStub(channel);
  stream->stub_->async()->Attend(&stream->context_, stream.get());
  // A hold: messages are written from outside gRPC's own calls; it goes when the reads have ended.
  stream->AddHold();
  stream->StartRead(&stream->incoming_);
  stream->StartCall();
  return stream;
}

SiteStream::Event SiteStream::next(const std::stop_token& stop) {
  const std::stop_callback cancel(stop, [this] { context_.TryCancel(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !events_.empty(); });
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Result<void> SiteStream::send(const wire::SiteMessage& message) {
  v1::SiteMessage proto = wire::to_proto(message);
  const std::lock_guard lock(mutex_);
  if (!open_) return fail(ErrorCode::kUnavailable, "there is no stream to the coordinator");
  if (outgoing_.size() >= kMaxQueued)
    return fail(ErrorCode::kResourceExhausted, "the coordinator does not read this site's messages");
  outgoing_.push_back(std::move(proto));
  write_next();
  return {};
}

void SiteStream::write_next() {
  if (writing_ || outgoing_.empty()) return;
  writing_ = true;
  StartWrite(&outgoing_.front());
}

void SiteStream::push(Event event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

void SiteStream::OnReadInitialMetadataDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!ok || read_ended_) return;
  open_ = true;
  events_.push_back(Connected{});
  changed_.notify_all();
}

void SiteStream::OnReadDone(bool ok) {
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

void SiteStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_.pop_front();
  if (!ok) open_ = false;
  if (open_) write_next();
}

void SiteStream::OnDone(const grpc::Status& status) {
  Error why =
      status.ok() ? Error{ErrorCode::kUnavailable, "the coordinator ended the stream"} : wire::error_from(status);
  push(refused_.value_or(std::move(why)));
}

}  // namespace consilium::transport
