#include "coordinator/service/site_streams.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "common/logging/event.h"
#include "common/wire/chunk_frame.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/status.h"
#include "consilium/v1/federation.grpc.pb.h"
#include "coordinator/service/peer_certificate.h"
#include "coordinator/service/service_parts.h"

namespace consilium::service {

namespace {

/// Raw messages, because gRPC would treat a message that can't be parsed as the end of the stream.
using RawBidiReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

constexpr std::size_t kMaxQueuedMessages = 1024;
constexpr std::size_t kMaxQueuedBytes = std::size_t{16} << 20;
/// A site sends a few messages each round; one that sends far more is disconnected.
constexpr unsigned kMaxMessagesPerWindow = 1000;
constexpr auto kWindow = std::chrono::seconds(10);

}  // namespace

/// One site's stream. gRPC calls its On... methods for reads one at a time, whereas writes come from any thread. The
/// mutex guards the queue and the state that depends on it. The object keeps itself alive until OnDone().
class SiteStream final : public RawBidiReactor {
 public:
  SiteStream(ServiceParts& parts, SiteStreams& streams, grpc::CallbackServerContext& context, std::string site)
      : parts_(parts),
        streams_(streams),
        context_(context),
        site_(std::move(site)),
        certificate_(parts.trust, context, pki::Role::kSite) {}

  void begin(std::shared_ptr<SiteStream> self) {
    self_ = std::move(self);
    StartSendInitialMetadata();
    StartRead(&incoming_);
  }

  void enqueue(const wire::CoordinatorMessage& message) {
    grpc::ByteBuffer bytes = wire::small_message(wire::encode(message));
    const std::lock_guard lock(mutex_);
    if (ending_ || !greeted_) return;
    queued_bytes_ += bytes.Length();
    queue_.push_back(std::move(bytes));
    if (queue_.size() > kMaxQueuedMessages || queued_bytes_ > kMaxQueuedBytes) {
      outcome_ = refuse(context_, "site " + site_,
                        Error{ErrorCode::kResourceExhausted, "the site does not read its messages"});
      ending_ = true;
      context_.TryCancel();  // the current read fails, and OnReadDone finishes
    } else {
      write_next();
    }
  }

  /// Returns when the site's certificate expires, in UTC seconds.
  [[nodiscard]] std::time_t certificate_end() const { return certificate_.end(); }

  void leave() {
    const std::lock_guard lock(mutex_);
    end({grpc::StatusCode::UNAVAILABLE, "the coordinator is shutting down"});
  }

  /// Must be called by one thread at a time.
  void end_if_revoked() {
    const auto good = certificate_.check();
    if (good) return;
    const std::lock_guard lock(mutex_);
    if (!ending_) end(refuse(context_, "site " + site_, good.error().within("its stream ends")));
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      finish_when_idle();
      return;
    }
    if (const auto taken = take(); !taken) {
      const std::lock_guard lock(mutex_);
      outcome_ = refuse(context_, "site " + site_, taken.error());
      ending_ = true;
      if (writing_) context_.TryCancel();  // the site may not be reading what is being written
      finish_when_idle();
      return;
    }
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    queued_bytes_ -= queue_.front().Length();
    queue_.pop_front();
    if (!ok) ending_ = true;
    if (!ending_) write_next();
    if (read_ended_) finish_when_idle();
  }

  void OnDone() override {
    if (hello_) {
      logging::event(logging::Event::kSiteLeft, {.site = site_}, "site " + site_ + ": disconnected");
      parts_.handler.site_disconnected(site_);
    }
    streams_.detach(site_);
    const auto last = std::move(self_);  // the object is destroyed here, unless send() still holds it
  }

 private:
  /// Passes one message on. An error ends the stream.
  Result<void> take() {
    CONSILIUM_TRY(count_message());
    CONSILIUM_ASSIGN(const std::string bytes, wire::read_small(incoming_, wire::kMaxSiteMessageBytes));
    CONSILIUM_ASSIGN(wire::SiteMessage message, wire::decode_site_message(std::as_bytes(std::span(bytes))));
    const auto* hello = std::get_if<wire::SiteHello>(&message);
    if (hello_ == (hello != nullptr)) {
      return fail(ErrorCode::kInvalidArgument,
                  hello_ ? "the site sent a second hello" : "expected hello as the first message");
    }
    if (hello != nullptr) {
      hello_ = true;
      {
        const std::lock_guard lock(mutex_);
        greeted_ = true;
      }
      logging::event(logging::Event::kSiteConnected, {.site = site_},
                     fmt::format("site {}: connected ({}), from {}", site_, hello->software, context_.peer()));
      parts_.handler.site_connected(site_, *hello);
    } else {
      parts_.handler.site_message(site_, std::move(message));
    }
    return {};
  }

  Result<void> count_message() {
    const auto now = std::chrono::steady_clock::now();
    if (now - window_ > kWindow) {
      window_ = now;
      messages_ = 0;
    }
    if (++messages_ > kMaxMessagesPerWindow)
      return fail(ErrorCode::kResourceExhausted, "the site sent too many messages in ten seconds");
    return {};
  }

  void write_next() {
    if (writing_ || queue_.empty()) return;
    writing_ = true;
    StartWrite(&queue_.front());
  }

  /// Ends the stream from the coordinator's side.
  void end(grpc::Status status) {
    ending_ = true;
    outcome_ = std::move(status);
    if (writing_) return context_.TryCancel();  // the site may not be reading what is being written
    finish_when_idle();
  }

  /// Finishes once no write is in progress and no further read can occur.
  void finish_when_idle() {
    read_ended_ = true;
    if (writing_ || finished_) return;
    finished_ = true;
    Finish(outcome_.value_or(grpc::Status::OK));
  }

  ServiceParts& parts_;
  SiteStreams& streams_;
  grpc::CallbackServerContext& context_;
  const std::string site_;
  PeerCertificate certificate_;
  std::shared_ptr<SiteStream> self_;
  grpc::ByteBuffer incoming_;
  bool hello_ = false;  ///< used only by reads
  std::chrono::steady_clock::time_point window_ = std::chrono::steady_clock::now();
  unsigned messages_ = 0;

  std::mutex mutex_;
  std::deque<grpc::ByteBuffer> queue_;
  std::size_t queued_bytes_ = 0;
  bool greeted_ = false;  ///< messages to a site are sent only after its hello
  bool writing_ = false;
  bool ending_ = false;
  bool read_ended_ = false;
  bool finished_ = false;
  std::optional<grpc::Status> outcome_;
};

namespace {

class FederationService final : public v1::Federation::WithRawCallbackMethod_Attend<v1::Federation::Service> {
 public:
  FederationService(ServiceParts& parts, SiteStreams& streams) : parts_(parts), streams_(streams) {}

  RawBidiReactor* Attend(grpc::CallbackServerContext* context) override {
    using Refused = RefusedCall<RawBidiReactor>;
    const auto peer = authenticate(parts_, *context, {pki::Role::kSite});
    if (!peer) return new Refused(wire::to_status(peer.error()));
    auto stream = std::make_shared<SiteStream>(parts_, streams_, *context, peer->name);
    if (!streams_.attach(peer->name, stream)) {
      return new Refused(refuse(*context, "site " + peer->name,
                                Error{ErrorCode::kAlreadyExists,
                                      "site " + peer->name + " is already connected; expected one stream per site"}));
    }
    parts_.site_certificates.note(peer->name, stream->certificate_end());
    stream->begin(stream);
    return stream.get();
  }

 private:
  ServiceParts& parts_;
  SiteStreams& streams_;
};

}  // namespace

std::unique_ptr<grpc::Service> SiteStreams::make_service(ServiceParts& parts) {
  return std::make_unique<FederationService>(parts, *this);
}

void SiteStreams::send(const std::string& site, const wire::CoordinatorMessage& message) {
  std::shared_ptr<SiteStream> stream;
  {
    const std::lock_guard lock(mutex_);
    const auto found = streams_.find(site);
    if (found == streams_.end()) return;
    stream = found->second;
  }
  stream->enqueue(message);
}

std::vector<std::shared_ptr<SiteStream>> SiteStreams::open_streams() {
  std::vector<std::shared_ptr<SiteStream>> streams;
  const std::lock_guard lock(mutex_);
  for (const auto& [site, stream] : streams_) streams.push_back(stream);
  return streams;
}

void SiteStreams::end_revoked() {
  for (const auto& stream : open_streams()) stream->end_if_revoked();
}

void SiteStreams::end_all() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  for (const auto& stream : open_streams()) stream->leave();
}

bool SiteStreams::attach(const std::string& site, const std::shared_ptr<SiteStream>& stream) {
  const std::lock_guard lock(mutex_);
  return !ended_ && streams_.emplace(site, stream).second;
}

void SiteStreams::detach(const std::string& site) {
  const std::lock_guard lock(mutex_);
  streams_.erase(site);
}

}  // namespace consilium::service
