#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/files/descriptor.h"

/// Operations on whole files and folders. Reads are bounded, writes are atomic, and what was written is on the disk
/// when a function returns. Every error names the file.
namespace consilium::files {

/// Permissions of a new file.
enum class Access : std::uint8_t {
  kOwner,      ///< mode 0600
  kEverybody,  ///< mode 0644, whatever the umask
  kUmask,      ///< 0666 without the bits that the umask removes
};

/// Reads a regular file of at most `limit` bytes. Fails with kResourceExhausted if it is larger.
/// @param links  kRefuse for a file in a folder of somebody who may not read everything that this process may read
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit, Links links = Links::kFollow);
/// Reads a file that only its owner may access (mode & 077 is 0). Fails with kPermissionDenied if others may access it.
/// Wipe the string after use.
Result<std::string> read_private_file(const std::filesystem::path& file, std::size_t limit);
/// Fills the buffer from a regular file of exactly the buffer's size. Fails with kDataLoss if the file has another
/// size.
Result<void> read_exactly(const std::filesystem::path& file, std::span<std::byte> buffer);

/// Creates a file of mode 0600 and syncs it. Fails with kAlreadyExists if the path exists in any form, even as a link.
Result<void> create_private_file(const std::filesystem::path& file, std::string_view text);
/// Replaces a file atomically: a reader finds either the old bytes or the new ones, even after a crash. A symbolic link
/// at the path is itself replaced, not followed.
Result<void> replace_file(const std::filesystem::path& file, std::span<const std::byte> bytes, Access access);
/// Replaces a file like the function above, with mode 0644.
Result<void> replace_file(const std::filesystem::path& file, std::string_view text);
/// Renames a file, replacing any file that has the new name, and syncs the folder.
Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to);
/// Syncs a folder's entries to the disk.
Result<void> sync_folder(const std::filesystem::path& folder);

/// Creates a folder of mode 0700, and its parents. An existing folder isn't changed.
Result<void> make_private_folder(const std::filesystem::path& folder);

/// Holds an exclusive lock between processes on a folder, as long as the object lives.
class FolderLock {
 public:
  /// Waits until no other process holds the lock, then takes it.
  static Result<FolderLock> take(const std::filesystem::path& folder);

 private:
  explicit FolderLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Descriptor descriptor_;
};

}  // namespace consilium::files
