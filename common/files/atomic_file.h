#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/files/descriptor.h"
#include "common/files/files.h"

namespace consilium::files {

/// A file under a temporary name. It's removed unless it is renamed to its final name. Not thread-safe.
class AtomicFile {
 public:
  /// Creates the file in the folder of the file that it will replace.
  static Result<AtomicFile> create_beside(const std::filesystem::path& target, Access access);
  /// Creates the file as `folder`/`prefix` followed by random digits, so that the owner of the folder can recognise and
  /// remove what a crash left behind.
  static Result<AtomicFile> create_in(const std::filesystem::path& folder, std::string_view prefix, Access access);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);
  /// Flushes what was written to the disk.
  Result<void> sync();
  /// Renames the file to `target` (in the same folder), replacing what is there, and syncs the folder. Call sync()
  /// first.
  Result<void> rename_to(const std::filesystem::path& target);
  /// Does the same for a cache, without waiting for the disk. After a power failure `target` may hold other bytes, so
  /// its readers must check what they read.
  Result<void> rename_unsynced(const std::filesystem::path& target);

 private:
  AtomicFile(Descriptor descriptor, std::filesystem::path path, std::filesystem::path shown)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), shown_(std::move(shown)) {}

  Descriptor descriptor_;
  std::filesystem::path path_;   ///< empty after the rename
  std::filesystem::path shown_;  ///< the file's name in error messages
  std::uint64_t written_ = 0;
  std::uint64_t flushed_ = 0;
};

}  // namespace consilium::files
