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

/// What one researcher may occupy of a coordinator (coordinator.yaml: quotas).
struct Quotas {
  std::uint64_t jobs = 16;                          ///< queued and running
  std::uint64_t running = 4;                        ///< at a time
  std::uint64_t weights = std::uint64_t{16} << 30;  ///< bytes of weights that were uploaded, of these jobs and unused
  bool operator==(const Quotas&) const = default;
};

/// Says whether a researcher who has `unended` jobs may submit another; kResourceExhausted with what to do.
Result<void> check_job_quota(const Quotas& quotas, const std::string& researcher, std::uint64_t unended);

/// Weights that researchers have uploaded, until a job of theirs takes them or nobody does for kUnusedFor. It retains
/// the blobs meanwhile. One thread at a time.
class UploadedWeights {
 public:
  using Clock = std::chrono::steady_clock;
  /// How long weights that no job uses are kept.
  static constexpr Clock::duration kUnusedFor = std::chrono::hours(1);

  /// @param blobs  outlives the object
  UploadedWeights(std::uint64_t quota, journal::BlobStore& blobs) : quota_(quota), blobs_(blobs) {}
  UploadedWeights(const UploadedWeights&) = delete;
  UploadedWeights& operator=(const UploadedWeights&) = delete;

  /// Asked before an upload: is there room for `bytes` more, beside the `in_jobs` bytes of the researcher's unended
  /// jobs? Releases unused weights of the researcher where that makes room, the oldest first; kResourceExhausted where
  /// it can't.
  Result<void> make_room(const std::string& researcher, std::uint64_t bytes, std::uint64_t in_jobs);
  /// Takes over a blob that has been put. kUnavailable where it was removed at that very moment.
  Result<void> add(const std::string& researcher, const crypto::Digest& digest, std::uint64_t bytes,
                   Clock::time_point now);
  [[nodiscard]] bool has(const std::string& researcher, const crypto::Digest& digest) const {
    return entries_.contains({researcher, digest});
  }
  /// Releases the weights: a job uses them from now on, and has retained them.
  void used(const std::string& researcher, const crypto::Digest& digest);
  /// Releases what nobody has used for too long.
  void expire(Clock::time_point now);
  /// When expire() has something to do.
  [[nodiscard]] std::optional<Clock::time_point> next_expiry() const;
  /// Bytes of the researcher's weights that no job uses.
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
