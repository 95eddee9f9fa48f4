#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace consilium::trainer {

/// What tells one state of a path from the next: the file or folder that lies there, and the mount that it lies on.
/// Zeros where nothing lies there.
struct PathState {
  std::uint64_t device = 0, inode = 0;
  std::uint64_t mount = 0;  ///< unique since the machine started (Linux 6.8); before that an id that may be used again
  bool operator==(const PathState&) const = default;
};

/// The files and folders that a trainer may read for its data sets, as the disk is at one moment. Landlock's rules are
/// made for these, and hold on to the files themselves: a trainer that was started before can't read a file that has
/// taken the place of another one since, or a file system that was mounted anew.
struct ReadableFiles {
  std::vector<std::filesystem::path> paths;  ///< without symbolic links; a path where nothing lies as it was given
  std::vector<PathState> states;             ///< of `paths`
  bool operator==(const ReadableFiles&) const = default;
};

/// Most links that lead out of the folders of data sets and are followed.
inline constexpr std::size_t kMaxLinkedFiles = 1'000'000;

/// Finds what lies behind the paths of data sets now: each path with its links resolved, and each file outside of a
/// folder that a link in that folder leads to (git-annex keeps a data set's content so). Links to folders aren't
/// followed. A folder that the automounter mounts on demand is mounted by this call.
/// @param secrets  files and folders that no link may open to the trainer: keys, the state folder
[[nodiscard]] ReadableFiles find_readable_files(const std::vector<std::filesystem::path>& datasets,
                                                const std::vector<std::filesystem::path>& secrets);

}  // namespace consilium::trainer
