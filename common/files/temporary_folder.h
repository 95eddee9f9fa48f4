#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "common/error/error.h"

namespace consilium::files {

/// A folder under $TMPDIR that only this user can access. It's removed with its contents when the object is destroyed.
class TemporaryFolder {
 public:
  /// @param prefix  of the folder's name
  static Result<TemporaryFolder> create(const std::string& prefix);
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Keeps the folder on the disk and returns its path.
  std::filesystem::path keep() { return std::exchange(path_, {}); }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace consilium::files
