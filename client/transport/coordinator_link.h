#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/wire/messages.h"

namespace consilium::transport {

/// What a link reports; called from the link's own thread, one call at a time. A call that takes its time holds up the
/// coordinator: the stream is read no further until it returns. It must return before stop() can.
struct LinkEvents {
  /// The stream is open; send SiteHello first. The URI in the coordinator's certificate says who is at its other end.
  std::function<void(std::string coordinator)> connected;
  std::function<void(wire::CoordinatorMessage)> received;
  std::function<void(Error)> disconnected;  ///< it reconnects by itself, with jittered back-off
  /// Whether a new stream would cost the site a session now. Once its certificate was renewed, the link opens a new
  /// stream when it wouldn't, and at the latest a minute before the old certificate ends. None: never.
  std::function<bool()> busy{};
};

/// A site's only connection: one bidirectional stream and bulk transfers, all opened by the site. Thread-safe.
class CoordinatorLink {
 public:
  virtual ~CoordinatorLink() = default;

  /// Begins to connect; events come until stop().
  virtual void start(LinkEvents events) = 0;
  /// Closes the stream and every transfer; no event comes after it returns.
  virtual void stop() = 0;
  /// Queues a message; kUnavailable while there is no stream (the coordinator offers again after a reconnection).
  virtual Result<void> send(const wire::SiteMessage& message) = 0;
  /// Fetches the blob `digest` of `size` bytes into `file`, resuming where a shorter file ends, verifying SHA-256.
  /// A file that is there whole is not fetched again. kDataLoss where the bytes aren't the digest's (the file is
  /// removed).
  virtual Result<void> fetch(const crypto::Digest& digest, std::uint64_t size, const std::filesystem::path& file,
                             std::stop_token stop) = 0;
  /// Uploads a session's vector in 1 MiB chunks, resuming at what the coordinator has, digest last.
  /// @param digest  of the words, where the caller knows it: they aren't hashed again then
  virtual Result<void> upload(const job::SessionKey& key, std::span<const std::uint32_t> words, std::stop_token stop,
                              const std::optional<crypto::Digest>& digest = std::nullopt) = 0;
};

/// How to reach the coordinator.
struct LinkConfig {
  std::string coordinator;  ///< "host:port"
  std::string server_name;  ///< name the coordinator's certificate carries (its SPIFFE id is checked as well)
  std::string proxy;        ///< "http://host:port" for HTTP CONNECT, or empty
  std::filesystem::path root, certificate, key, revocation_list;  ///< PEM files; the list may be empty
  std::string site;                                               ///< this site's name
  std::filesystem::path list_memory{};  ///< folder that remembers the newest revocation list; empty: this process alone
};

/// Makes the link over gRPC and mutual TLS.
Result<std::unique_ptr<CoordinatorLink>> make_grpc_link(const LinkConfig& config);

}  // namespace consilium::transport
