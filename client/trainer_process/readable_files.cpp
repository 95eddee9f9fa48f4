#include "client/trainer_process/readable_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "client/trainer/protocol/channel.h"

namespace consilium::trainer {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMountId = 0x1000;        // STATX_MNT_ID of include/uapi/linux/stat.h, since Linux 5.8
constexpr unsigned kUniqueMountId = 0x4000;  // STATX_MNT_ID_UNIQUE, since Linux 6.8

PathState state_of_path(const fs::path& path) {
  struct statx found {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | kUniqueMountId, &found) != 0) return {};
  if ((found.stx_mask & kUniqueMountId) == 0) {
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | kMountId, &found) != 0) return {};
  }
  return {::makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino, found.stx_mnt_id};
}

/// Opens a folder, which makes the automounter mount its file system. Only looking at the path wouldn't.
void mount_on_demand(const fs::path& path) {
  const Descriptor opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

bool is_secret(const fs::path& path, const std::vector<fs::path>& secrets) {
  return std::any_of(secrets.begin(), secrets.end(), [&](const fs::path& secret) {
    std::error_code missing;
    const fs::path real = fs::canonical(secret, missing);
    return is_inside(path, missing ? secret : real);
  });
}

/// Adds the files outside `folder` that links below it lead to.
void add_linked_files(const fs::path& folder, const std::vector<fs::path>& secrets, std::set<fs::path>& found) {
  std::error_code problem;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(folder, options, problem), end;
       !problem && entry != end && found.size() < kMaxLinkedFiles; entry.increment(problem)) {
    std::error_code ignored;
    if (!entry->is_symlink(ignored)) continue;
    const fs::path target = fs::canonical(entry->path(), ignored);
    if (ignored || !fs::is_regular_file(target, ignored) || is_inside(target, folder)) continue;
    if (!is_secret(target, secrets)) found.insert(target);  // check: linked-secret
  }
}

}  // namespace

ReadableFiles find_readable_files(const std::vector<fs::path>& datasets, const std::vector<fs::path>& secrets) {
  ReadableFiles files;
  std::set<fs::path> linked;
  for (const fs::path& dataset : datasets) {
    mount_on_demand(dataset);
    std::error_code missing;
    const fs::path real = fs::canonical(dataset, missing);
    files.paths.push_back(missing ? dataset : real);
    if (!missing && fs::is_directory(real, missing)) add_linked_files(real, secrets, linked);
  }
  files.paths.insert(files.paths.end(), linked.begin(), linked.end());
  for (const fs::path& path : files.paths) files.states.push_back(state_of_path(path));
  return files;
}

}  // namespace consilium::trainer
