#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::data {

/// The folder that a data set lies in. Nothing outside of it is read, whatever names and tables say, but for single
/// files to which links in the folder lead: git-annex and similar tools keep a data set's content so.
class DatasetFolder {
 public:
  static constexpr std::size_t kMaxFiles = 5'000'000;
  static constexpr int kMaxDepth = 32;

  /// Opens a folder that is there.
  static Result<DatasetFolder> open(const std::filesystem::path& folder);

  /// Finds what a name from a table or a configuration stands for: relative, without "..", there, and inside of the
  /// folder once its links are followed. A link to a file may lead out of the folder, a link to a folder may not.
  /// @param name  as written, '/' between folders
  [[nodiscard]] Result<std::filesystem::path> resolve(std::string_view name) const;

  /// Lists the regular files below a sub-folder, sorted by name, hidden ones left out. Links to folders aren't
  /// followed; a link to a file counts as that file, wherever it lies.
  /// @param below       "" for the folder itself
  /// @param extensions  in lower case (".png"); none: every file
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view below,
                                                      const std::vector<std::string_view>& extensions) const;
  /// Names of the sub-folders, sorted, hidden ones left out.
  [[nodiscard]] Result<std::vector<std::string>> folders(std::string_view below) const;

  [[nodiscard]] const std::filesystem::path& path() const { return root_; }

 private:
  explicit DatasetFolder(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;  ///< canonical
};

/// A file's name without its folders and its extension; ".nii.gz" is one extension.
[[nodiscard]] std::string stem_of(std::string_view name);

}  // namespace consilium::data
