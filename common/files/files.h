#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/files/descriptor.h"

/// Whole files and folders: read within a bound, written at once, and on the disk when a function returns. Every error
/// names the file.
namespace consilium::files {

/// Who may read a file that is made.
enum class Access : std::uint8_t {
  kOwner,      ///< mode 0600
  kEverybody,  ///< mode 0644, whatever the umask
  kUmask,      ///< what the umask leaves of 0666
};

/// Reads a regular file of at most `limit` bytes; a larger one is kResourceExhausted.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit);
/// Reads a file that nobody but its owner may read (mode & 077 is 0); kPermissionDenied otherwise. Wipe the string
/// after use.
Result<std::string> read_private_file(const std::filesystem::path& file, std::size_t limit);
/// Fills the buffer from a regular file that has exactly its size; any other size is kDataLoss.
Result<void> read_exactly(const std::filesystem::path& file, std::span<std::byte> buffer);

/// Creates a file of mode 0600 and syncs it; kAlreadyExists where anything lies there, a link included.
Result<void> create_private_file(const std::filesystem::path& file, std::string_view text);
/// Replaces a file at once: who reads it finds the old bytes or the new, after a crash too. A link in its place is
/// replaced, not followed.
Result<void> replace_file(const std::filesystem::path& file, std::span<const std::byte> bytes, Access access);
/// As above, mode 0644.
Result<void> replace_file(const std::filesystem::path& file, std::string_view text);
/// Gives a file another name, in place of what has it, and syncs the folder.
Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to);
/// Brings a folder's entries to the disk.
Result<void> sync_folder(const std::filesystem::path& folder);

/// Makes a folder of mode 0700 with its parents; one that is there stays as it is.
Result<void> make_private_folder(const std::filesystem::path& folder);

/// Holds an exclusive lock on a folder between processes while it lives.
class FolderLock {
 public:
  /// Waits until nobody else has it.
  static Result<FolderLock> take(const std::filesystem::path& folder);

 private:
  explicit FolderLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Descriptor descriptor_;
};

}  // namespace consilium::files
