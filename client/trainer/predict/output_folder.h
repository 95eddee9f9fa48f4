#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/files/atomic_file.h"

namespace consilium::predict {

/// The folder that a prediction is written to. Each file appears only once it is complete.
class OutputFolder {
 public:
  /// Creates the folder. Fails with kInvalidArgument if the folder isn't empty, unless `force` is given. Then files
  /// with the same names are replaced, and others stay.
  static Result<OutputFolder> create(const std::filesystem::path& folder, bool force);

  /// Chooses the name, below the folder, of a file that belongs to an image. It is SUBFOLDER/IMAGE'S NAME with the
  /// image's extension replaced by `ending`. If that name is taken, `ending` is appended to the image's full name, if
  /// necessary after a number.
  /// @param ending  including its dot
  std::string name_for(std::string_view subfolder, const std::string& image, std::string_view ending);
  /// Writes a file below the folder, and creates the folders that contain it.
  Result<void> write(const std::string& name, std::span<const std::byte> bytes) const;
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

 private:
  explicit OutputFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;
  std::set<std::string> taken_;
};

/// A text file that is written piece by piece and gets its final name when it is complete.
class GrowingFile {
 public:
  static Result<GrowingFile> create(const std::filesystem::path& file);
  Result<void> append(std::string_view text);
  Result<void> finish();

 private:
  GrowingFile(files::AtomicFile file, std::filesystem::path path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<void> flush();

  files::AtomicFile file_;
  std::filesystem::path path_;
  std::string waiting_;
};

}  // namespace consilium::predict
