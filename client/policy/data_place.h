#pragma once

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
  std::filesystem::path path{};
  bool operator==(const FileMark&) const = default;
};

/// Where a data set really lies: its path without links, and the marks of its root and of what lies directly in it. The
/// trainer reads nothing else of it (docs/formats/datasets.md).
struct DataPlace {
  std::filesystem::path path{};
  std::vector<FileMark> marks{};
};

/// Most entries that the folder of a data set may have; an idx data set has four files.
inline constexpr std::size_t kMaxDataEntries = 1000;

/// Looks where a data set lies now. kNotFound where nothing does, kResourceExhausted where a folder has too many
/// entries to compare.
Result<DataPlace> data_place(const std::filesystem::path& path);

/// Is one of two paths, both without links, the other one or inside of it?
[[nodiscard]] bool lies_within(const std::filesystem::path& one, const std::filesystem::path& other);

}  // namespace consilium::policy
