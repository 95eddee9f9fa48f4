#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::journal {

/// Files named by the SHA-256 of their bytes, in one folder. Thread-safe; a blob is there whole or not at all. Jobs
/// retain the blobs they need, since two jobs that compute the same model share its file.
class BlobStore {
 public:
  /// Creates the folder where it is missing, and removes what an interrupted put() left in it.
  static Result<BlobStore> open(const std::filesystem::path& folder);
  BlobStore(BlobStore&&) noexcept;
  BlobStore& operator=(BlobStore&&) noexcept;
  ~BlobStore();

  /// Writes a blob: temporary file, fsync, rename, fsync of the folder. One that is there already is left as it is.
  Result<crypto::Digest> put(std::span<const std::byte> bytes);
  /// Copies a file into the store, hashing what it writes; `source` stays. At most `max_bytes`, else
  /// kResourceExhausted.
  Result<crypto::Digest> put_file(const std::filesystem::path& source, std::uint64_t max_bytes);
  /// kNotFound where there is no such blob.
  Result<std::uint64_t> size(const crypto::Digest& digest) const;
  /// Reads bytes from `offset` into `out` (pread); returns how many, less than asked at the end.
  Result<std::size_t> read(const crypto::Digest& digest, std::uint64_t offset, std::span<std::byte> out) const;
  /// Where the blob lies: to serve it with few system calls.
  [[nodiscard]] std::filesystem::path path(const crypto::Digest& digest) const;

  /// Keeps a blob until as many release() calls; retain it before or after its put().
  void retain(const crypto::Digest& digest);
  /// Ends one retain(); the last one removes the file.
  void release(const crypto::Digest& digest);
  /// Removes a blob, unless somebody retains it.
  void remove(const crypto::Digest& digest);
  /// Removes every blob that nobody retains; returns how many bytes that freed. To be called before others put blobs:
  /// one that has just been put and isn't retained yet would go, too.
  std::uint64_t remove_unretained();

 private:
  struct Shared;
  explicit BlobStore(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace consilium::journal
