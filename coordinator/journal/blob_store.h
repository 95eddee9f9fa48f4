#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::journal {

/// Stores files under the SHA-256 of their bytes, in one folder. Thread-safe. A blob is either complete or absent. Jobs
/// retain the blobs that they need, because two jobs that compute the same model share its file.
class BlobStore {
 public:
  /// Creates the folder if it is missing, and removes what an interrupted put() left in it.
  static Result<BlobStore> open(const std::filesystem::path& folder);
  BlobStore(BlobStore&&) noexcept;
  BlobStore& operator=(BlobStore&&) noexcept;
  ~BlobStore();

  /// Writes a blob: temporary file, fsync, rename, fsync of the folder. An existing blob is replaced by the same bytes.
  Result<crypto::Digest> put(std::span<const std::byte> bytes);
  /// Copies a file into the store and hashes it on the way; `source` stays. Fails with kResourceExhausted if the file
  /// has more than `max_bytes`.
  Result<crypto::Digest> put_file(const std::filesystem::path& source, std::uint64_t max_bytes);
  /// Returns the size in bytes. Fails with kNotFound if there is no such blob.
  Result<std::uint64_t> size(const crypto::Digest& digest) const;
  /// Reads bytes from `offset` into `out` (pread). Returns how many it read, which is fewer than requested at the end.
  Result<std::size_t> read(const crypto::Digest& digest, std::uint64_t offset, std::span<std::byte> out) const;
  /// Returns the path of the blob's file, so that it can be served with few system calls.
  [[nodiscard]] std::filesystem::path path(const crypto::Digest& digest) const;

  /// Keeps a blob until release() has been called as many times. May be called before or after the blob's put().
  void retain(const crypto::Digest& digest);
  /// Cancels one retain(). The last release() removes the file.
  void release(const crypto::Digest& digest);
  /// Removes a blob unless it is retained.
  void remove(const crypto::Digest& digest);
  /// Removes every blob that isn't retained and returns how many bytes that freed. Must be called before other threads
  /// put blobs, because it would also remove a blob that has just been put and isn't retained yet.
  std::uint64_t remove_unretained();

 private:
  struct Shared;
  explicit BlobStore(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace consilium::journal
