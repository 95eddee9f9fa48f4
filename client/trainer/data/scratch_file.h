#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::data {

/// Disk space for prepared images, up to a limit. The file has no name, so the kernel frees it when the process ends,
/// however it ends. Its content is encrypted (AES-256 in counter mode) under a key that only this object holds, so
/// nothing can be read from the disk's free blocks either. Thread-safe.
class ScratchFile {
 public:
  /// Creates a nameless file in a folder. Fails with kNotFound or kPermissionDenied, or with kFailedPrecondition if the
  /// file system doesn't support nameless files. The error names the folder.
  static Result<std::shared_ptr<ScratchFile>> create_in(const std::filesystem::path& folder, std::uint64_t limit);
  /// Takes a file that someone else opened for reading and writing. From then on the process ignores SIGXFSZ, so that a
  /// write beyond its RLIMIT_FSIZE fails instead of ending the process.
  static Result<std::shared_ptr<ScratchFile>> adopt(files::Descriptor file, std::uint64_t limit);

  /// A part of the file.
  struct Room {
    std::uint64_t at = 0;
    std::uint64_t bytes = 0;
    std::uint64_t serial = 0;  ///< different for every room, so that no two are encrypted with the same key stream
  };
  /// Reserves this many bytes. Returns nothing if the limit doesn't allow it.
  std::optional<Room> reserve(std::uint64_t bytes);
  /// Gives back space. It can be used again only once all reserved space has been returned.
  void release(std::uint64_t bytes);

  /// Fills a room. Call it only once for each room. Fails if the disk is full or RLIMIT_FSIZE is lower than the
  /// limit.
  /// @param bytes  as many as the room has; encrypted in place
  Result<void> write(const Room& room, std::span<std::byte> bytes);
  /// Reads the content of a room. The caller must check that the disk returned it unchanged, because counter mode
  /// decrypts changed bytes without an error.
  Result<void> read(const Room& room, std::span<std::byte> bytes) const;

 private:
  ScratchFile(files::Descriptor file, std::uint64_t limit, crypto::SecretBytes key)
      : file_(std::move(file)), limit_(limit), key_(std::move(key)) {}
  Result<void> crypt(const Room& room, std::span<std::byte> bytes) const;

  files::Descriptor file_;
  std::uint64_t limit_;
  crypto::SecretBytes key_;
  std::mutex mutex_;
  std::uint64_t end_ = 0;    ///< end of the space reserved since the file was last empty
  std::uint64_t held_ = 0;   ///< reserved bytes that weren't returned
  std::uint64_t rooms_ = 0;  ///< number of rooms ever reserved
};

}  // namespace consilium::data
