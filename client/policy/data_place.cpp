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

/// The mark of what a path leads to, links followed.
Result<FileMark> mark_of(const fs::path& path) {
  struct statx found {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &found) != 0)
    return unreadable(path, std::strerror(errno));
  FileMark mark;
  mark.device = ::makedev(found.stx_dev_major, found.stx_dev_minor);
  mark.inode = found.stx_ino;
  if ((found.stx_mask & STATX_BTIME) != 0) mark.born = found.stx_btime.tv_sec * kNanoseconds + found.stx_btime.tv_nsec;
  mark.path = path;
  return mark;
}

Result<void> mark_entries(DataPlace& place) {
  std::error_code problem;
  for (fs::directory_iterator entry(place.path, problem), end; !problem && entry != end; entry.increment(problem)) {
    if (place.marks.size() > kMaxDataEntries) {
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("{}: has more than {} entries; name a folder that holds the data set's files alone",
                              place.path.string(), kMaxDataEntries));
    }
    auto mark = mark_of(entry->path());
    if (mark) place.marks.push_back(*std::move(mark));  // a link to nothing holds no data
  }
  if (problem) return unreadable(place.path, problem.message());
  return {};
}

}  // namespace

Result<DataPlace> data_place(const fs::path& path) {
  std::error_code problem;
  DataPlace place;
  place.path = fs::canonical(path, problem);
  if (problem) return unreadable(path, problem.message());
  CONSILIUM_ASSIGN(FileMark root, mark_of(place.path));
  place.marks.push_back(std::move(root));
  if (fs::is_directory(place.path, problem)) CONSILIUM_TRY(mark_entries(place));
  return place;
}

bool lies_within(const fs::path& one, const fs::path& other) {
  const auto [in_one, in_other] = std::mismatch(one.begin(), one.end(), other.begin(), other.end());
  return in_one == one.end() || in_other == other.end();
}

}  // namespace consilium::policy
