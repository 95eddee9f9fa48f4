#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

namespace consilium::masking {

/// The 32 bytes that only this site knows, and what it draws from them by HKDF-SHA256: everything that is random in its
/// training, so that nobody can replay the training from public seeds. The same work of the same job draws the same
/// values, whatever the attempt. Deriving is thread-safe.
class SiteSecret {
 public:
  static constexpr std::size_t kBytes = 32;

  /// Reads the file, or makes it with fresh bytes of OpenSSL's private generator (mode 0600, synced). kDataLoss where
  /// the file has another size, kPermissionDenied where others may read it.
  static Result<SiteSecret> open(const std::filesystem::path& file);
  /// The secret of a simulated site without a file: a hash of its name and the job's seed. It protects nothing, and
  /// gives the same run every time.
  static Result<SiteSecret> simulated(std::string_view site, std::uint64_t seed);

  /// The seed of shuffling, dropout and augmentation in one round of a job on a data set.
  [[nodiscard]] Result<std::uint64_t> training_seed(const job::RoundOrder& order, std::string_view dataset) const;
  /// The key of the uniform words that stand in for a result which can't be used.
  [[nodiscard]] Result<crypto::SecretBytes> unusable_key(const job::RoundOrder& order) const;
  /// The key under which the state of an agreement on a job's key lies on the disk.
  [[nodiscard]] Result<crypto::SecretBytes> agreement_key(const crypto::Digest& job) const;
  /// The key under which the job's own key K lies on the disk.
  [[nodiscard]] Result<crypto::SecretBytes> job_key_sealing(const crypto::Digest& job) const;
  /// The key under which the vector of one sum lies on the disk until the sum is over.
  [[nodiscard]] Result<crypto::SecretBytes> sealing_key(const job::RoundOrder& order) const;

 private:
  explicit SiteSecret(crypto::SecretBytes bytes) : bytes_(std::move(bytes)) {}
  Result<crypto::SecretBytes> derive(std::string_view purpose, const job::RoundOrder& order, std::string_view dataset,
                                     std::size_t size) const;

  crypto::SecretBytes bytes_;
};

}  // namespace consilium::masking
