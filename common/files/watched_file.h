#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace consilium::files {

/// Reports whether a file was written or replaced since the last query. Not thread-safe.
class WatchedFile {
 public:
  /// @param file  the file to watch; an empty path never changes
  explicit WatchedFile(std::filesystem::path file);

  /// Returns true if the file has changed, appeared or disappeared since the last call (or since this object was
  /// created).
  [[nodiscard]] bool changed();

 private:
  /// The attributes that differ between two versions of a file.
  struct Version {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;  ///< the last change of the content or the inode
    bool operator==(const Version&) const = default;
  };
  [[nodiscard]] std::optional<Version> look() const;

  std::filesystem::path file_;
  std::optional<Version> seen_;
};

}  // namespace consilium::files
