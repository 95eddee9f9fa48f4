#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/error/error.h"

/// The file operations that keys and certificates need; every error names the file.
namespace consilium::pki {

/// Reads a regular file of at most `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit);
/// Reads a file that nobody but its owner may read (mode & 077 is 0); kPermissionDenied otherwise. Wipe the string
/// after use.
Result<std::string> read_private_file(const std::filesystem::path& file, std::size_t limit);

/// Creates a file of mode 0600 and syncs it; kAlreadyExists where anything lies there, a link included.
Result<void> create_private_file(const std::filesystem::path& file, std::string_view text);
/// Replaces a file at once (mode 0644): who reads it finds the old text or the new, after a crash too.
Result<void> replace_file(const std::filesystem::path& file, std::string_view text);
/// Makes a folder of mode 0700 with its parents; one that is there stays as it is.
Result<void> make_private_folder(const std::filesystem::path& folder);

/// Holds an exclusive lock on a folder between processes while it lives.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace consilium::pki
