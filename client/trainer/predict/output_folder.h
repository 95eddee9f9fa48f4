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

/// The folder that a prediction is written to. Every file is there whole or not at all.
class OutputFolder {
 public:
  /// Makes the folder. Fails with kInvalidArgument where it holds anything, unless `force` is given; files of the same
  /// names are then replaced, and others stay.
  static Result<OutputFolder> create(const std::filesystem::path& folder, bool force);

  /// Chooses a name below the folder for what belongs to an image: SUBFOLDER/IMAGE'S NAME with another ending, or with
  /// the ending behind the image's own where that name is taken, or with a number.
  /// @param ending  with its dot
  std::string name_for(std::string_view subfolder, const std::string& image, std::string_view ending);
  /// Writes a file below the folder, and the folders that it lies in.
  Result<void> write(const std::string& name, std::span<const std::byte> bytes) const;
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

 private:
  explicit OutputFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;
  std::set<std::string> taken_;
};

/// A text file that is written bit by bit, and gets its name when it is complete.
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
