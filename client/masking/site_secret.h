#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

namespace consilium::masking {

/// The 32 bytes that only this site knows, and the values derived from them by HKDF-SHA256. All randomness in the
/// site's training comes from them, so that nobody can replay the training from public seeds. The same work of the same
/// job derives the same values, regardless of the attempt. Deriving is thread-safe.
class SiteSecret {
 public:
  static constexpr std::size_t kBytes = 32;

  /// Reads the file, or creates it with fresh bytes from OpenSSL's private generator (mode 0600, synced). kDataLoss if
  /// the file has another size, kPermissionDenied if others may read it.
  static Result<SiteSecret> open(const std::filesystem::path& file);
  /// Returns the secret of a simulated site without a file: a hash of its name and the job's seed. It protects nothing,
  /// but makes every run give the same result.
  static Result<SiteSecret> simulated(std::string_view site, std::uint64_t seed);

  /// Returns the seed of shuffling, dropout and augmentation in one round of a job on a data set.
  [[nodiscard]] Result<std::uint64_t> training_seed(const job::RoundOrder& order, std::string_view dataset) const;
  /// Returns the key that generates the uniform words which replace an unusable result.
  [[nodiscard]] Result<crypto::SecretBytes> unusable_key(const job::RoundOrder& order) const;
  /// Returns the key that seals the state of an agreement on a job's key on disk.
  [[nodiscard]] Result<crypto::SecretBytes> agreement_key(const crypto::Digest& job) const;
  /// Returns the key that seals the job's own key K on disk.
  [[nodiscard]] Result<crypto::SecretBytes> job_key_sealing(const crypto::Digest& job) const;
  /// Returns the key that seals the vector of one sum on disk until the sum is over.
  [[nodiscard]] Result<crypto::SecretBytes> sealing_key(const job::RoundOrder& order) const;

 private:
  explicit SiteSecret(crypto::SecretBytes bytes) : bytes_(std::move(bytes)) {}
  Result<crypto::SecretBytes> derive(std::string_view purpose, const job::RoundOrder& order, std::string_view dataset,
                                     std::size_t size) const;

  crypto::SecretBytes bytes_;
};

}  // namespace consilium::masking
