#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::journal {

/// Files named by the SHA-256 of their bytes, in one folder. Thread-safe; a blob is there whole or not at all.
class BlobStore {
 public:
  /// Creates the folder where it is missing.
  static Result<BlobStore> open(const std::filesystem::path& folder);

  /// Writes a blob: temporary file, fsync, rename, fsync of the folder.
  Result<crypto::Digest> put(std::span<const std::byte> bytes);
  /// kNotFound where there is no such blob.
  Result<std::uint64_t> size(const crypto::Digest& digest) const;
  /// Reads bytes from `offset` into `out` (pread); returns how many, less than asked at the end.
  Result<std::size_t> read(const crypto::Digest& digest, std::uint64_t offset, std::span<std::byte> out) const;
  /// Where the blob lies: to serve it with few system calls.
  [[nodiscard]] std::filesystem::path path(const crypto::Digest& digest) const;
  void remove(const crypto::Digest& digest);

 private:
  explicit BlobStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

}  // namespace consilium::journal
