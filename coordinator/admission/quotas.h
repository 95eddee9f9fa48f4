#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "coordinator/journal/blob_store.h"

namespace consilium::admission {

/// The resources of a coordinator that one researcher may use (coordinator.yaml: quotas).
struct Quotas {
  std::uint64_t jobs = 16;                          ///< queued and running together
  std::uint64_t running = 4;                        ///< running at the same time
  std::uint64_t weights = std::uint64_t{16} << 30;  ///< bytes of uploaded weights, those of these jobs and unused ones
  bool operator==(const Quotas&) const = default;
};

/// Checks whether a researcher who has `unended` jobs may submit another. Otherwise fails with kResourceExhausted; the
/// message says what to do.
Result<void> check_job_quota(const Quotas& quotas, const std::string& researcher, std::uint64_t unended);

/// Holds the weights that researchers have uploaded. Weights stay until one of the researcher's jobs takes them, or
/// until none has used them for kUnusedFor; until then this object retains their blobs. Not thread-safe.
class UploadedWeights {
 public:
  using Clock = std::chrono::steady_clock;
  /// How long weights that no job uses are kept.
  static constexpr Clock::duration kUnusedFor = std::chrono::hours(1);

  /// @param blobs  must outlive the object
  UploadedWeights(std::uint64_t quota, journal::BlobStore& blobs) : quota_(quota), blobs_(blobs) {}
  UploadedWeights(const UploadedWeights&) = delete;
  UploadedWeights& operator=(const UploadedWeights&) = delete;

  /// Called before an upload. Checks that there is room for `bytes` more, in addition to the `in_jobs` bytes of the
  /// researcher's unended jobs. Releases the researcher's unused weights, the oldest first, if that makes room; fails
  /// with kResourceExhausted if it can't.
  Result<void> make_room(const std::string& researcher, std::uint64_t bytes, std::uint64_t in_jobs);
  /// Takes over a blob that has been put. Fails with kUnavailable if it was removed at that very moment.
  Result<void> add(const std::string& researcher, const crypto::Digest& digest, std::uint64_t bytes,
                   Clock::time_point now);
  [[nodiscard]] bool has(const std::string& researcher, const crypto::Digest& digest) const {
    return entries_.contains({researcher, digest});
  }
  /// Releases the weights, because a job uses them from now on and has retained them itself.
  void used(const std::string& researcher, const crypto::Digest& digest);
  /// Releases the weights that no job has used for kUnusedFor.
  void expire(Clock::time_point now);
  /// Returns when expire() next has something to do.
  [[nodiscard]] std::optional<Clock::time_point> next_expiry() const;
  /// Returns the size in bytes of the researcher's weights that no job uses.
  [[nodiscard]] std::uint64_t unused_bytes(const std::string& researcher) const;

 private:
  using Key = std::pair<std::string, crypto::Digest>;  ///< researcher, blob
  struct Entry {
    std::uint64_t bytes = 0;
    Clock::time_point since{};
  };

  std::uint64_t quota_;
  journal::BlobStore& blobs_;
  std::map<Key, Entry> entries_;
};

}  // namespace consilium::admission
