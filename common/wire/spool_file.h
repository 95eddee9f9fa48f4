#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::wire {

/// A file that grows chunk by chunk while its SHA-256 is computed, and that a broken transfer leaves for the next one
/// to go on with. Not thread-safe; one writer a file.
class SpoolFile {
 public:
  /// Opens or creates the file (its folder too), drops what lies beyond `offset`, and hashes what is left.
  /// @param offset  where the transfer goes on; kFailedPrecondition where the file is shorter
  /// @param limit   bytes that the file may never exceed
  static Result<SpoolFile> open(const std::filesystem::path& file, std::uint64_t offset, std::uint64_t limit);
  /// Bytes that the file has now; 0 where there is none.
  [[nodiscard]] static std::uint64_t held(const std::filesystem::path& file);

  /// Appends the pieces, one after the other. kResourceExhausted where they exceed the limit; nothing is written then.
  Result<void> append(std::span<const std::span<const std::byte>> pieces);
  /// Ends the file: where its digest isn't the expected one, it is removed and kDataLoss returned.
  Result<void> finish(const crypto::Digest& expected);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  SpoolFile(std::filesystem::path file, files::Descriptor descriptor, std::uint64_t limit)
      : file_(std::move(file)), descriptor_(std::move(descriptor)), limit_(limit) {}
  Result<void> hash_prefix(std::uint64_t bytes);

  std::filesystem::path file_;
  files::Descriptor descriptor_;
  std::uint64_t limit_ = 0;
  std::uint64_t bytes_ = 0;
  crypto::Sha256 hash_;
};

}  // namespace consilium::wire
