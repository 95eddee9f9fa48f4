#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace consilium::trainer {

/// Distinguishes successive states of a path: the file or folder that lies there, and the mount that it lies on. All
/// zeros if nothing lies there.
struct PathState {
  std::uint64_t device = 0, inode = 0;
  std::uint64_t mount = 0;  ///< unique since boot (Linux 6.8); on earlier kernels an id that may be reused
  bool operator==(const PathState&) const = default;
};

/// The files and folders that a trainer may read for its data sets, as found on disk at one moment. Landlock rules are
/// created for these, and they refer to the files themselves: a trainer that is already running can't read a file that
/// has replaced another one since, or a file system that was mounted since.
struct ReadableFiles {
  /// Without symbolic links. A path where nothing lies stays as it was given.
  std::vector<std::filesystem::path> paths;
  std::vector<PathState> states;  ///< of `paths`
  bool operator==(const ReadableFiles&) const = default;
};

/// Maximum number of links leading out of the data sets' folders that are followed.
inline constexpr std::size_t kMaxLinkedFiles = 1'000'000;

/// Finds what the paths of data sets lead to now: each path with its links resolved, and each file outside a folder
/// that a link in the folder leads to (git-annex stores a data set's content this way). Links to folders aren't
/// followed. This call triggers the automounter for a folder that is mounted on demand.
/// @param secrets  files and folders that no link may expose to the trainer: keys, the state folder
[[nodiscard]] ReadableFiles find_readable_files(const std::vector<std::filesystem::path>& datasets,
                                                const std::vector<std::filesystem::path>& secrets);

}  // namespace consilium::trainer
