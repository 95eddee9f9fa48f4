#pragma once

#include <filesystem>
#include <map>
#include <mutex>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::masking {

/// K of each job: the key that its sites agreed on and that the coordinator doesn't know. A key is in a file of its own
/// (mode 0600, synced) before anything is made with it. Thread-safe.
class JobKeys {
 public:
  /// @param folder  made where it is missing (0700)
  static Result<JobKeys> open(const std::filesystem::path& folder);
  JobKeys(JobKeys&& other) noexcept : folder_(std::move(other.folder_)), keys_(std::move(other.keys_)) {}

  /// A copy of a job's key. kFailedPrecondition where there is none.
  Result<crypto::SecretBytes> key(const crypto::Digest& job) const;
  /// Keeps a job's key. kPermissionDenied where another one is kept: the caller first calls forget(), which it may do
  /// as long as no sum of the job is committed.
  Result<void> keep(const crypto::Digest& job, const crypto::SecretBytes& key);
  Result<void> forget(const crypto::Digest& job);

 private:
  explicit JobKeys(std::filesystem::path folder) : folder_(std::move(folder)) {}
  [[nodiscard]] std::filesystem::path file_of(const crypto::Digest& job) const;

  std::filesystem::path folder_;
  mutable std::mutex mutex_;
  mutable std::map<crypto::Digest, crypto::SecretBytes> keys_;  ///< those that were asked for
};

}  // namespace consilium::masking
