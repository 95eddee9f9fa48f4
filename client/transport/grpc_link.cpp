#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "client/transport/coordinator_link.h"
#include "client/transport/refusal.h"
#include "client/transport/shown_certificate.h"
#include "client/transport/site_stream.h"
#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "common/logging/event.h"
#include "common/pki/own_certificate.h"
#include "common/wire/bulk_transfer.h"
#include "common/wire/channel.h"
#include "common/wire/tls_credentials.h"

namespace consilium::transport {

namespace {

constexpr auto kFirstWait = std::chrono::milliseconds(200);
constexpr auto kLastWait = std::chrono::seconds(30);
constexpr int kTransferAttempts = 10;
/// How many seconds before its certificate expires a stream is closed in favour of one with the renewed certificate,
/// whatever the site is doing.
constexpr std::time_t kBeforeEnd = 60;
/// Part of gRPC's message if OpenSSL refuses a server's certificate.
constexpr const char* kVerifyFailed = "certificate verify failed";
constexpr std::chrono::seconds kPatience{2};
constexpr const char* kRenewed = "this site's certificate was renewed";
constexpr const char* kOtherData = "client.yaml has other data sets";

/// What this client has learnt from its handshakes with the coordinator. Written by gRPC's threads.
struct Handshakes {
  std::atomic<bool> proved = false;  ///< the coordinator has proved its identity since the last attempt began
  std::mutex mutex;
  std::string refused{};  ///< what was last wrong with its certificate; empty once it shows a valid one

  void refuse(const std::string& complaint) {
    const std::lock_guard lock(mutex);
    if (std::exchange(refused, complaint) != complaint)
      logging::event(logging::Event::kCoordinatorRefused, {}, "refused the coordinator: " + complaint);
  }
  void accept() {
    proved = true;
    const std::lock_guard lock(mutex);
    refused.clear();
  }
};

Result<std::shared_ptr<grpc::ChannelCredentials>> make_credentials(const LinkConfig& config,
                                                                   const std::shared_ptr<Handshakes>& handshakes) {
  const wire::TlsFiles files{config.root, config.certificate, config.key, config.revocation_list, config.list_memory};
  return wire::make_channel_credentials(
      files, config.server_name,
      [handshakes](const Error& why) { handshakes->refuse(why.message + advice_on_coordinator(why.message)); },
      [handshakes] { handshakes->accept(); });
}

class GrpcLink final : public CoordinatorLink {
 public:
  GrpcLink(LinkConfig config, std::shared_ptr<Handshakes> handshakes,
           std::shared_ptr<grpc::ChannelCredentials> credentials, std::shared_ptr<const pki::TrustStore> trust)
      : config_(std::move(config)),
        handshakes_(std::move(handshakes)),
        credentials_(std::move(credentials)),
        trust_(std::move(trust)),
        own_(config_.certificate, config_.key),
        channel_(make_channel()) {}

  ~GrpcLink() override { stop(); }

  void start(LinkEvents events) override {
    events_ = std::move(events);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  void reconnect() override { reconnect_ = true; }

  void stop() override {
    transfers_.request_stop();
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return transfers_under_way_ == 0; });
  }

  Result<void> send(const wire::SiteMessage& message) override {
    std::shared_ptr<SiteStream> stream;
    {
      const std::lock_guard lock(mutex_);
      stream = stream_;
    }
    if (!stream) return fail(ErrorCode::kUnavailable, "there is no stream to the coordinator");
    return stream->send(message);
  }

  Result<void> fetch(const crypto::Digest& digest, std::uint64_t size, const std::filesystem::path& file,
                     std::stop_token stop) override {
    return transfer(
        stop, [&](const std::stop_token& either) { return wire::fetch_blob(channel(), digest, size, file, either); });
  }

  Result<void> upload(const job::SessionKey& key, std::span<const std::uint32_t> words, std::stop_token stop,
                      const std::optional<crypto::Digest>& digest) override {
    return transfer(stop, [&](const std::stop_token& either) {
      return wire::upload_vector(channel(), key, words, digest, either);
    });
  }

 private:
  std::shared_ptr<grpc::Channel> make_channel() const {
    return wire::make_channel(config_.coordinator, config_.server_name, config_.proxy, credentials_);
  }

  std::shared_ptr<grpc::Channel> channel() {
    const std::lock_guard lock(mutex_);
    return channel_;
  }

  /// Runs a transfer with retries until the caller or stop() asks it to end.
  template <class Attempt>
  Result<void> transfer(const std::stop_token& stop, const Attempt& attempt) {
    {
      const std::lock_guard lock(mutex_);
      if (transfers_.stop_requested()) return fail(ErrorCode::kCancelled, "the link is closed");
      ++transfers_under_way_;
    }
    std::stop_source either;
    const std::stop_callback by_caller(stop, [&either] { either.request_stop(); });
    const std::stop_callback by_link(transfers_.get_token(), [&either] { either.request_stop(); });
    auto outcome =
        wire::with_retries(kTransferAttempts, either.get_token(), [&] { return attempt(either.get_token()); });
    const std::lock_guard lock(mutex_);
    --transfers_under_way_;
    idle_.notify_all();
    return outcome;
  }

  void run(const std::stop_token& stop) {
    wire::Backoff backoff(kFirstWait, kLastWait);
    while (!stop.stop_requested()) {
      const bool was_connected = attend(stop);
      if (stop.stop_requested()) break;
      if (was_connected) backoff.reset();
      if (!wire::sleep_for(backoff.next(), stop)) break;
      if (own_.renewed()) take_certificate();
      const std::lock_guard lock(mutex_);
      channel_ = make_channel();  // connect now rather than after gRPC's own back-off
    }
  }

  /// Runs one stream from its opening to its end. Returns true if it was ever open.
  bool attend(const std::stop_token& stop) {
    stream_end_ = own_.end();
    handshakes_->proved = false;
    reconnect_ = false;
    auto stream = SiteStream::open(channel(), trust_, [this] { return look_at_certificate(); });
    {
      const std::lock_guard lock(mutex_);
      stream_ = stream;
    }
    bool connected = false;
    while (true) {
      auto event = stream->next(stop);
      if (auto* end = std::get_if<Error>(&event)) {
        lose(std::move(*end), connected, stop);
        return connected;
      }
      if (stop.stop_requested()) continue;
      if (auto* peer = std::get_if<SiteStream::Connected>(&event)) {
        connected = true;
        last_reason_.clear();
        closed_ = 0;
        told_.reset();
        logging::event(logging::Event::kCoordinatorConnected, {},
                       "connected to the coordinator at " + config_.coordinator);
        if (events_.connected) events_.connected(std::move(peer->coordinator));
      } else if (events_.received) {
        events_.received(std::move(std::get<wire::CoordinatorMessage>(event)));
      }
    }
  }

  /// Warns of a certificate that expires soon. If a renewed one is in its place, transfers use it from now on. Returns
  /// a reason to open a new stream if that is due. Called on the link's thread, every two seconds.
  std::optional<Error> look_at_certificate() {
    if (const auto warning = own_.warning_due()) logging::event(logging::Event::kCertificateEnding, {}, *warning);
    if (own_.renewed()) take_certificate();
    const bool busy = events_.busy && events_.busy();
    if (reconnect_ && !busy) return Error{ErrorCode::kUnavailable, kOtherData};
    const bool due = std::time(nullptr) >= stream_end_ - kBeforeEnd || !busy;
    if (own_.end() == stream_end_ || !due) return std::nullopt;
    return Error{ErrorCode::kUnavailable, kRenewed};
  }

  /// Uses the certificate that is in the file now for new connections, if it is valid.
  void take_certificate() {
    auto fresh = make_credentials(config_, handshakes_);
    own_.take();  // an invalid one is reported only once
    told_.reset();
    if (!fresh)
      return logging::event(logging::Event::kCertificateUnusable, {},
                            "the new certificate isn't used: " + fresh.error().message);
    const std::lock_guard lock(mutex_);
    credentials_ = *std::move(fresh);
    channel_ = make_channel();
  }

  void lose(Error why, bool connected, const std::stop_token& stop) {
    {
      const std::lock_guard lock(mutex_);
      stream_.reset();
    }
    if (stop.stop_requested()) return;
    if (why.message == kRenewed || why.message == kOtherData) {
      logging::event(logging::Event::kCoordinatorReconnecting, {}, "connecting again, since " + why.message);
    } else {
      complain(why, connected);
    }
    if (events_.disconnected) events_.disconnected(std::move(why));
  }

  /// Logs why there is no stream, unless the last line about it gave the same reason.
  void complain(const Error& why, bool connected) {
    closed_ = !connected && handshakes_->proved && why.code == ErrorCode::kUnavailable ? closed_ + 1 : 0;
    const auto pem = files::read_file(config_.certificate, crypto::kMaxPemBytes);
    const Result<pki::Identity> own =
        pem ? trust_->authenticate(*pem, {pki::Role::kSite}) : Result<pki::Identity>(fail(pem.error()));
    auto refused = refusal_in_words({why, closed_ >= 2, config_.certificate, own_.end(), std::time(nullptr), own});
    if (why.code == ErrorCode::kUnauthenticated) told_ = refused;
    if (closed_ > 0 && told_) refused = told_;  // the coordinator gave this reason before
    const std::string where =
        (connected ? "lost the coordinator at " : "cannot attend the coordinator at ") + config_.coordinator + ": ";
    const std::string reason = where + refused.value_or(why.message);
    if (std::exchange(last_reason_, reason) == reason) return;
    if (!handshakes_->proved && why.message.find(kVerifyFailed) != std::string::npos) look_at_coordinator();
    if (refused) {
      const std::string quoted = why.code == ErrorCode::kUnauthenticated ? " (" + why.message + ")" : "";
      logging::event(logging::Event::kCertificateRejected, {}, reason + quoted);
    } else {
      logging::event(connected ? logging::Event::kCoordinatorLost : logging::Event::kCoordinatorUnreachable, {},
                     reason + "; trying again");
    }
  }

  /// Logs what is wrong with the coordinator's certificate. gRPC's message doesn't say.
  void look_at_coordinator() {
    const auto shown = certificate_shown_at(config_.coordinator, config_.server_name, config_.proxy, kPatience);
    if (!shown) return;
    if (const auto good = trust_->authenticate(*shown, {pki::Role::kCoordinator}); !good)
      handshakes_->refuse(good.error().message + advice_on_coordinator(good.error().message));
  }

  const LinkConfig config_;
  const std::shared_ptr<Handshakes> handshakes_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const std::shared_ptr<const pki::TrustStore> trust_;
  LinkEvents events_;
  std::stop_source transfers_;
  std::atomic<bool> reconnect_ = false;
  std::string last_reason_;  ///< used only on the link's thread
  /// What the coordinator's reason for refusing this site's certificate means. Used only on the link's thread.
  std::optional<std::string> told_;
  /// How many attempts in a row the coordinator ended after it had proved its identity. Used only on the link's thread.
  unsigned closed_ = 0;
  pki::OwnCertificate own_;  ///< used only on the link's thread
  /// When the certificate that the stream was opened with expires. Used only on the link's thread.
  std::time_t stream_end_ = 0;

  std::mutex mutex_;
  std::condition_variable idle_;
  unsigned transfers_under_way_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<SiteStream> stream_;
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<CoordinatorLink>> make_grpc_link(const LinkConfig& config) {
  CONSILIUM_TRY(wire::check_proxy(config.proxy));
  const auto handshakes = std::make_shared<Handshakes>();
  CONSILIUM_ASSIGN(auto credentials, make_credentials(config, handshakes));
  CONSILIUM_ASSIGN(auto trust,
                   pki::TrustStore::open(config.root, config.revocation_list, pki::TrustOptions{config.list_memory}));
  return std::unique_ptr<CoordinatorLink>(
      std::make_unique<GrpcLink>(config, handshakes, std::move(credentials), std::move(trust)));
}

}  // namespace consilium::transport
