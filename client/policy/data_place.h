#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::policy {

/// Identifies a file or folder uniquely on a machine, whatever path leads to it.
struct FileMark {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t born = 0;  ///< creation time, in nanoseconds since 1970; 0 if the file system doesn't report it
  auto operator<=>(const FileMark&) const = default;
};

/// The real location of a data set: its path with links resolved, and the marks of its root and of everything below it,
/// sorted and without duplicates. A link is represented by its target, and a link to a folder is not followed: outside
/// the data set's folder, the trainer reads only the files that links in it lead to (docs/formats/datasets.md).
struct DataPlace {
  std::filesystem::path path{};
  std::vector<FileMark> marks{};
};

/// Maximum number of files and folders in a data set; the trainer lists as many.
inline constexpr std::size_t kMaxDataEntries = 5'000'000;

/// Finds where a data set lies now. Takes about six seconds for a million files. kNotFound if nothing lies there,
/// kResourceExhausted if a folder has too many entries to compare.
Result<DataPlace> data_place(const std::filesystem::path& path, std::size_t most = kMaxDataEntries);

/// Returns the path of a mark below a data set's path, for messages. If the mark is no longer there, returns the data
/// set's path.
[[nodiscard]] std::filesystem::path find_mark(const DataPlace& place, const FileMark& mark);

/// Returns true if one of two paths, both with links resolved, is the same as the other or contains it.
[[nodiscard]] bool lies_within(const std::filesystem::path& one, const std::filesystem::path& other);

}  // namespace consilium::policy
