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

/// The events that a link reports, on its own thread and one at a time. A callback that takes long holds up the
/// coordinator, because the stream is not read until it returns. stop() can't return before it does.
struct LinkEvents {
  /// The stream is open; SiteHello must be sent first. The URI in the coordinator's certificate identifies the
  /// coordinator.
  std::function<void(std::string coordinator)> connected;
  std::function<void(wire::CoordinatorMessage)> received;
  std::function<void(Error)> disconnected;  ///< the link reconnects by itself, with jittered back-off
  /// Returns whether a new stream would cost the site a session now. After its certificate was renewed, the link opens
  /// a new stream as soon as this returns false, and at the latest a minute before the old certificate expires. If not
  /// set, it counts as false.
  std::function<bool()> busy{};
};

/// A site's only connection to the coordinator: one bidirectional stream and bulk transfers, all opened by the site.
/// Thread-safe.
class CoordinatorLink {
 public:
  virtual ~CoordinatorLink() = default;

  /// Starts connecting. Events are reported until stop() is called.
  virtual void start(LinkEvents events) = 0;
  /// Opens a new stream within seconds, so that the coordinator gets this site's current hello. Thread-safe.
  virtual void reconnect() {}
  /// Closes the stream and every transfer. No event is reported after it returns.
  virtual void stop() = 0;
  /// Queues a message. kUnavailable while there is no stream (the coordinator repeats its offers after a reconnection).
  virtual Result<void> send(const wire::SiteMessage& message) = 0;
  /// Fetches the blob `digest` of `size` bytes into `file`. Resumes where a shorter file ends, and verifies SHA-256. A
  /// complete file is not fetched again. kDataLoss if the bytes don't match the digest (the file is then removed).
  virtual Result<void> fetch(const crypto::Digest& digest, std::uint64_t size, const std::filesystem::path& file,
                             std::stop_token stop) = 0;
  /// Uploads a session's vector in 1 MiB chunks, resuming after the bytes that the coordinator already has. The digest
  /// is sent last.
  /// @param digest  SHA-256 of the words if the caller knows it, so that they aren't hashed again
  virtual Result<void> upload(const job::SessionKey& key, std::span<const std::uint32_t> words, std::stop_token stop,
                              const std::optional<crypto::Digest>& digest = std::nullopt) = 0;
};

/// How to reach the coordinator.
struct LinkConfig {
  std::string coordinator;  ///< "host:port"
  std::string server_name;  ///< name that the coordinator's certificate carries (its SPIFFE id is checked as well)
  std::string proxy;        ///< "http://host:port" for HTTP CONNECT, or empty
  std::filesystem::path root, certificate, key, revocation_list;  ///< PEM files; the revocation list may be empty
  std::string site;                                               ///< this site's name
  /// Folder that records the newest revocation list seen. If empty, only this process remembers it.
  std::filesystem::path list_memory{};
};

/// Creates the link, which uses gRPC over mutual TLS.
Result<std::unique_ptr<CoordinatorLink>> make_grpc_link(const LinkConfig& config);

}  // namespace consilium::transport
