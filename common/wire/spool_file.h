#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::wire {

/// A file that grows chunk by chunk while its SHA-256 is computed. After a broken transfer the file stays, and the next
/// transfer resumes there. Not thread-safe; only one writer for each file.
class SpoolFile {
 public:
  /// Opens or creates the file (and its folder), removes the bytes from `offset` on, and hashes the rest. Fails with
  /// kFailedPrecondition if the file is shorter than `offset`.
  /// @param offset  position where the transfer resumes
  /// @param limit   number of bytes that the file may never exceed
  static Result<SpoolFile> open(const std::filesystem::path& file, std::uint64_t offset, std::uint64_t limit);
  /// Returns the file's present size in bytes, or 0 if it doesn't exist.
  [[nodiscard]] static std::uint64_t held(const std::filesystem::path& file);

  /// Appends the pieces in order. Fails with kResourceExhausted, and writes nothing, if the file would exceed the
  /// limit.
  Result<void> append(std::span<const std::span<const std::byte>> pieces);
  /// Completes the file. If its digest isn't the expected one, removes it and fails with kDataLoss.
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
