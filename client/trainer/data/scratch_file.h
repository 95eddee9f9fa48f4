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

/// Room on a disk for prepared images, up to a limit. The file has no name, so that the kernel gives it back when the
/// process ends, however it ends; what was written is encrypted (AES-256 in counter mode) under a key that lies in
/// this object alone, so that nothing can be read from the disk's free blocks either. Thread-safe.
class ScratchFile {
 public:
  /// Makes a nameless file in a folder. Fails with kNotFound, kPermissionDenied or kFailedPrecondition naming it, the
  /// last where its file system knows no nameless files.
  static Result<std::shared_ptr<ScratchFile>> create_in(const std::filesystem::path& folder, std::uint64_t limit);
  /// Takes a file that someone else opened for reading and writing. From then on the process ignores SIGXFSZ: a write
  /// beyond its RLIMIT_FSIZE fails, where the signal would end the process.
  static Result<std::shared_ptr<ScratchFile>> adopt(files::Descriptor file, std::uint64_t limit);

  /// A part of the file.
  struct Room {
    std::uint64_t at = 0;
    std::uint64_t bytes = 0;
    std::uint64_t serial = 0;  ///< no two rooms have the same, so that no two are encrypted alike
  };
  /// Takes room for so many bytes; nothing where the limit leaves none.
  std::optional<Room> reserve(std::uint64_t bytes);
  /// Gives room back. It can be taken again once all of it was given back.
  void release(std::uint64_t bytes);

  /// Fills a room, once. Fails where the disk is full or RLIMIT_FSIZE is lower than the limit.
  /// @param bytes  as many as the room has; left encrypted
  Result<void> write(const Room& room, std::span<std::byte> bytes);
  /// Reads what a room was filled with. Whether the disk has kept it is for the caller to check: counter mode decrypts
  /// changed bytes, too.
  Result<void> read(const Room& room, std::span<std::byte> bytes) const;

 private:
  ScratchFile(files::Descriptor file, std::uint64_t limit, crypto::SecretBytes key)
      : file_(std::move(file)), limit_(limit), key_(std::move(key)) {}
  Result<void> crypt(const Room& room, std::span<std::byte> bytes) const;

  files::Descriptor file_;
  std::uint64_t limit_;
  crypto::SecretBytes key_;
  std::mutex mutex_;
  std::uint64_t end_ = 0;    ///< of what was reserved since the file was empty
  std::uint64_t held_ = 0;   ///< of it, what was not given back
  std::uint64_t rooms_ = 0;  ///< that were ever reserved
};

}  // namespace consilium::data
