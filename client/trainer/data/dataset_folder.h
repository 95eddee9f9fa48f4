#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::data {

/// The folder that holds a data set. Nothing outside it is read, whatever names and tables say, with one exception: a
/// link in the folder may lead to a single file elsewhere, because git-annex and similar tools store a data set's
/// content that way.
class DatasetFolder {
 public:
  static constexpr std::size_t kMaxFiles = 5'000'000;
  static constexpr int kMaxDepth = 32;

  /// Opens an existing folder.
  static Result<DatasetFolder> open(const std::filesystem::path& folder);

  /// Resolves a name from a table or a configuration. The name must be relative and without "..", must exist, and must
  /// be inside the folder once its links are followed. A link to a file may lead out of the folder; a link to a folder
  /// may not.
  /// @param name  as written, with '/' between folders
  [[nodiscard]] Result<std::filesystem::path> resolve(std::string_view name) const;

  /// Lists the regular files below a sub-folder, sorted by name, without hidden ones. Links to folders aren't followed;
  /// a link to a file counts as that file, wherever it is.
  /// @param below       "" for the folder itself
  /// @param extensions  in lower case (".png"); empty: every file
  [[nodiscard]] Result<std::vector<std::string>> list(std::string_view below,
                                                      const std::vector<std::string_view>& extensions) const;
  /// Lists the names of the sub-folders, sorted, without hidden ones.
  [[nodiscard]] Result<std::vector<std::string>> folders(std::string_view below) const;

  [[nodiscard]] const std::filesystem::path& path() const { return root_; }

 private:
  explicit DatasetFolder(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;  ///< canonical
};

/// Returns a file's name without its folders and its extension; ".nii.gz" is one extension.
[[nodiscard]] std::string stem_of(std::string_view name);

}  // namespace consilium::data
