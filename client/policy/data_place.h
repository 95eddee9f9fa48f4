#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::policy {

/// What tells a file or folder from all others of a machine, whatever path leads to it.
struct FileMark {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t born = 0;  ///< when it was made, in nanoseconds since 1970; 0 where the file system doesn't say
  auto operator<=>(const FileMark&) const = default;
};

/// Where a data set really lies: its path without links, and the marks of its root and of everything below it, in
/// order and each once. A link stands for what it leads to, and is not followed into a folder: the trainer reads
/// nothing outside of the data set's folder but the files that links in it lead to (docs/formats/datasets.md).
struct DataPlace {
  std::filesystem::path path{};
  std::vector<FileMark> marks{};
};

/// Most files and folders that a data set may have, as many as the trainer lists.
inline constexpr std::size_t kMaxDataEntries = 5'000'000;

/// Looks where a data set lies now. Takes some six seconds for a million files. kNotFound where nothing lies there,
/// kResourceExhausted where a folder has too many entries to compare.
Result<DataPlace> data_place(const std::filesystem::path& path, std::size_t most = kMaxDataEntries);

/// Finds the path of a mark below a data set's path, for messages; the data set's path where it is there no more.
[[nodiscard]] std::filesystem::path find_mark(const DataPlace& place, const FileMark& mark);

/// Is one of two paths, both without links, the other one or inside of it?
[[nodiscard]] bool lies_within(const std::filesystem::path& one, const std::filesystem::path& other);

}  // namespace consilium::policy
