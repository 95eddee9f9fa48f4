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

/// A file under a temporary name, which goes away unless it is renamed to its own. Not thread-safe.
class AtomicFile {
 public:
  /// Creates it in the folder of the file that it shall become.
  static Result<AtomicFile> create_beside(const std::filesystem::path& target, Access access);
  /// Creates it as `folder`/`prefix` and random digits; whoever owns the folder can remove what a crash left.
  static Result<AtomicFile> create_in(const std::filesystem::path& folder, std::string_view prefix, Access access);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);
  /// Brings what was written to the disk.
  Result<void> sync();
  /// Puts the file in place of what lies at `target` (in the same folder), and syncs the folder; call sync() before.
  Result<void> rename_to(const std::filesystem::path& target);
  /// The same for a cache, without waiting for the disk: after a power failure other bytes may lie at `target`, so
  /// that its readers check what they read.
  Result<void> rename_unsynced(const std::filesystem::path& target);

 private:
  AtomicFile(Descriptor descriptor, std::filesystem::path path, std::filesystem::path shown)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), shown_(std::move(shown)) {}

  Descriptor descriptor_;
  std::filesystem::path path_;   ///< empty once it is renamed
  std::filesystem::path shown_;  ///< what errors call it
  std::uint64_t written_ = 0;
  std::uint64_t flushed_ = 0;
};

}  // namespace consilium::files
