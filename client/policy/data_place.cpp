#include "client/policy/data_place.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace consilium::policy {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNanoseconds = 1'000'000'000;

tl::unexpected<Error> unreadable(const fs::path& path, const std::string& why) {
  return fail(ErrorCode::kNotFound, fmt::format("{}: {}", path.string(), why));
}

/// Returns the mark of a path's target, following links.
Result<FileMark> mark_of(const fs::path& path) {
  struct statx found {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &found) != 0)
    return unreadable(path, std::strerror(errno));
  FileMark mark;
  mark.device = ::makedev(found.stx_dev_major, found.stx_dev_minor);
  mark.inode = found.stx_ino;
  if ((found.stx_mask & STATX_BTIME) != 0) mark.born = found.stx_btime.tv_sec * kNanoseconds + found.stx_btime.tv_nsec;
  return mark;
}

/// Calls `visit` for every file and folder below a folder, until it returns false.
template <class Visit>
Result<void> walk(const fs::path& folder, const Visit& visit) {
  std::error_code problem;
  // The trainer can't read what the client can't read.
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(folder, options, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (!visit(entry->path())) return {};
  }
  if (problem) return unreadable(folder, problem.message());
  return {};
}

Result<void> mark_entries(DataPlace& place, std::size_t most) {
  CONSILIUM_TRY(walk(place.path, [&](const fs::path& path) {
    const auto mark = mark_of(path);
    if (mark) place.marks.push_back(*mark);  // a dangling link holds no data
    return place.marks.size() <= most;
  }));
  if (place.marks.size() <= most) return {};
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("{}: has more than {} files and folders; name a folder that holds only the data set's files",
                          place.path.string(), most));
}

}  // namespace

Result<DataPlace> data_place(const fs::path& path, std::size_t most) {
  std::error_code problem;
  DataPlace place;
  place.path = fs::canonical(path, problem);
  if (problem) return unreadable(path, problem.message());
  CONSILIUM_ASSIGN(const FileMark root, mark_of(place.path));
  place.marks.push_back(root);
  if (fs::is_directory(place.path, problem)) CONSILIUM_TRY(mark_entries(place, most));
  std::ranges::sort(place.marks);
  place.marks.erase(std::unique(place.marks.begin(), place.marks.end()), place.marks.end());
  return place;
}

fs::path find_mark(const DataPlace& place, const FileMark& mark) {
  fs::path found = place.path;
  if (const auto root = mark_of(place.path); root && *root == mark) return found;
  // If the walk fails, the data set's path is the best name there is.
  (void)walk(place.path, [&](const fs::path& path) {
    const auto one = mark_of(path);
    if (one && *one == mark) found = path;
    return found == place.path;
  });
  return found;
}

bool lies_within(const fs::path& one, const fs::path& other) {
  const auto [in_one, in_other] = std::mismatch(one.begin(), one.end(), other.begin(), other.end());
  return in_one == one.end() || in_other == other.end();
}

}  // namespace consilium::policy
