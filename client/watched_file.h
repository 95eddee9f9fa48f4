#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace consilium::client {

/// Tells when a file was written or replaced since it was last asked. Not thread-safe.
class WatchedFile {
 public:
  /// @param file  empty: none, which never changes
  explicit WatchedFile(std::filesystem::path file);

  /// Has the file changed, appeared or gone since the last call (or since this object was made)?
  [[nodiscard]] bool changed();

 private:
  /// What differs between two versions of a file.
  struct Version {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;  ///< of the last change of its content or its inode
    bool operator==(const Version&) const = default;
  };
  [[nodiscard]] std::optional<Version> look() const;

  std::filesystem::path file_;
  std::optional<Version> seen_;
};

}  // namespace consilium::client
