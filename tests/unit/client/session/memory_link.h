#pragma once

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "client/transport/coordinator_link.h"
#include "common/crypto/sha256.h"

namespace consilium::transport {

/// A CoordinatorLink in memory, without a coordinator. A test opens and closes the stream, puts blobs where fetch()
/// finds them, looks at what the site sent, and decides how transfers end. Thread-safe.
class MemoryLink final : public CoordinatorLink {
 public:
  struct Upload {
    job::SessionKey key;
    std::vector<std::uint32_t> words;
    std::optional<crypto::Digest> digest;
  };

  // The site's side.

  void start(LinkEvents events) override {
    const std::lock_guard lock(mutex_);
    events_ = std::move(events);
  }
  void stop() override {
    const std::lock_guard lock(mutex_);
    events_.reset();
    open_ = false;
  }
  Result<void> send(const wire::SiteMessage& message) override {
    const std::lock_guard lock(mutex_);
    if (!open_) return fail(ErrorCode::kUnavailable, "there is no stream");
    sent_.push_back(message);
    changed_.notify_all();
    return {};
  }
  Result<void> fetch(const crypto::Digest& digest, std::uint64_t size, const std::filesystem::path& file,
                     std::stop_token) override {
    const std::lock_guard lock(mutex_);
    ++fetches_;
    const auto blob = blobs_.find(digest);
    if (blob == blobs_.end()) return fail(ErrorCode::kNotFound, "the coordinator has no such blob");
    if (blob->second.size() != size) return fail(ErrorCode::kDataLoss, "the blob has another size");
    std::ofstream(file, std::ios::binary).write(blob->second.data(), static_cast<std::streamsize>(size));
    return {};
  }
  Result<void> upload(const job::SessionKey& key, std::span<const std::uint32_t> words, std::stop_token stop,
                      const std::optional<crypto::Digest>& digest) override {
    std::function<Result<void>(const job::SessionKey&, std::stop_token)> during;
    {
      const std::lock_guard lock(mutex_);
      during = during_upload_;
    }
    if (during) {
      if (auto ended = during(key, stop); !ended) return ended;
    }
    const std::lock_guard lock(mutex_);
    uploads_.push_back({key, {words.begin(), words.end()}, digest});
    changed_.notify_all();
    return {};
  }

  // The test's side.

  /// Opens the stream, as a coordinator that accepts the site does.
  void connect(const std::string& coordinator) {
    auto events = [this] {
      const std::lock_guard lock(mutex_);
      open_ = true;
      return events_;
    }();
    if (events) events->connected(coordinator);
  }
  void disconnect() {
    auto events = [this] {
      const std::lock_guard lock(mutex_);
      open_ = false;
      return events_;
    }();
    if (events) events->disconnected({ErrorCode::kUnavailable, "the test closed the stream"});
  }
  /// Delivers a message of the coordinator.
  void tell(wire::CoordinatorMessage message) {
    auto events = [this] {
      const std::lock_guard lock(mutex_);
      return events_;
    }();
    if (events) events->received(std::move(message));
  }
  /// Makes a blob available. @return its digest
  crypto::Digest put(const std::vector<float>& values) {
    const std::lock_guard lock(mutex_);
    const auto bytes = std::as_bytes(std::span(values));
    const crypto::Digest digest = crypto::sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    blobs_[digest].assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return digest;
  }
  /// Sets what happens during every upload, before its bytes count as received; an error ends the upload.
  void during_upload(std::function<Result<void>(const job::SessionKey&, std::stop_token)> call) {
    const std::lock_guard lock(mutex_);
    during_upload_ = std::move(call);
  }
  [[nodiscard]] std::vector<Upload> uploads() const {
    const std::lock_guard lock(mutex_);
    return uploads_;
  }
  [[nodiscard]] std::size_t fetches() const {
    const std::lock_guard lock(mutex_);
    return fetches_;
  }
  /// Waits until the site has sent a message for which `wanted` returns true, or for 30 s. @return whether it has
  template <class Message>
  bool wait_for(const std::function<bool(const Message&)>& wanted) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      for (const wire::SiteMessage& message : sent_) {
        const auto* one = std::get_if<Message>(&message);
        if (one != nullptr && wanted(*one)) return true;
      }
      return false;
    });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::optional<LinkEvents> events_;
  bool open_ = false;
  std::map<crypto::Digest, std::string> blobs_;
  std::vector<wire::SiteMessage> sent_;
  std::vector<Upload> uploads_;
  std::size_t fetches_ = 0;
  std::function<Result<void>(const job::SessionKey&, std::stop_token)> during_upload_;
};

}  // namespace consilium::transport
