#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "client/masking/site_secret.h"
#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::masking {

/// K of each job: the key that its sites agreed on and that the coordinator doesn't know. A key is in a file of its own
/// (mode 0600, synced) before anything is made with it, sealed by AES-256-GCM under a key of the site's secret: whoever
/// copies the folder has no job's key. Thread-safe.
class JobKeys {
 public:
  /// @param folder  made where it is missing (0700)
  /// @param secret  outlives the object
  static Result<JobKeys> open(const std::filesystem::path& folder, const SiteSecret& secret);
  JobKeys(JobKeys&& other) noexcept
      : folder_(std::move(other.folder_)), secret_(other.secret_), keys_(std::move(other.keys_)) {}

  /// A copy of a job's key. kFailedPrecondition where there is none; kDataLoss where its file was changed, or sealed
  /// with another secret.
  Result<crypto::SecretBytes> key(const crypto::Digest& job) const;
  /// Keeps a job's key. kPermissionDenied where another one is kept: the caller first calls forget(), which it may do
  /// as long as no sum of the job is committed.
  Result<void> keep(const crypto::Digest& job, const crypto::SecretBytes& key);
  Result<void> forget(const crypto::Digest& job);
  /// Every job that a key is kept of.
  Result<std::vector<crypto::Digest>> jobs() const { return jobs_in(folder_); }
  /// The same, of a folder that nobody has open; none where it is missing.
  static Result<std::vector<crypto::Digest>> jobs_in(const std::filesystem::path& folder);

 private:
  JobKeys(std::filesystem::path folder, const SiteSecret& secret) : folder_(std::move(folder)), secret_(&secret) {}
  [[nodiscard]] std::filesystem::path file_of(const crypto::Digest& job) const;

  std::filesystem::path folder_;
  const SiteSecret* secret_;
  mutable std::mutex mutex_;
  mutable std::map<crypto::Digest, crypto::SecretBytes> keys_;  ///< those that were asked for
};

}  // namespace consilium::masking
