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

/// The key K of each job, which its sites agreed on and the coordinator doesn't know. Each key is stored in its own
/// file (mode 0600, synced) before it is used. The file is sealed by AES-256-GCM under a key derived from the site's
/// secret, so that a copy of the folder reveals no job's key. Thread-safe.
class JobKeys {
 public:
  /// @param folder  created if it is missing (0700)
  /// @param secret  must outlive the object
  static Result<JobKeys> open(const std::filesystem::path& folder, const SiteSecret& secret);
  JobKeys(JobKeys&& other) noexcept
      : folder_(std::move(other.folder_)), secret_(other.secret_), keys_(std::move(other.keys_)) {}

  /// Returns a copy of a job's key. kFailedPrecondition if there is none; kDataLoss if its file was changed or was
  /// sealed with another secret.
  Result<crypto::SecretBytes> key(const crypto::Digest& job) const;
  /// Stores a job's key. kPermissionDenied if any key of the job is stored already, even the same one. To replace it,
  /// the caller must call forget() first, and may do so only while no sum of the job is committed.
  Result<void> keep(const crypto::Digest& job, const crypto::SecretBytes& key);
  Result<void> forget(const crypto::Digest& job);
  /// Returns every job that has a stored key.
  Result<std::vector<crypto::Digest>> jobs() const { return jobs_in(folder_); }
  /// Does the same for a folder that no object has open. Returns nothing if the folder is missing.
  static Result<std::vector<crypto::Digest>> jobs_in(const std::filesystem::path& folder);

 private:
  JobKeys(std::filesystem::path folder, const SiteSecret& secret) : folder_(std::move(folder)), secret_(&secret) {}
  [[nodiscard]] std::filesystem::path file_of(const crypto::Digest& job) const;

  std::filesystem::path folder_;
  const SiteSecret* secret_;
  mutable std::mutex mutex_;
  mutable std::map<crypto::Digest, crypto::SecretBytes> keys_;  ///< keys requested so far
};

}  // namespace consilium::masking
