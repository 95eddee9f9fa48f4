#include "common/files/watched_file.h"

#include <sys/stat.h>

#include <utility>

namespace consilium::files {

WatchedFile::WatchedFile(std::filesystem::path file) : file_(std::move(file)), seen_(look()) {}

bool WatchedFile::changed() {
  const std::optional<Version> now = look();
  return std::exchange(seen_, now) != now;
}

std::optional<WatchedFile::Version> WatchedFile::look() const {
  struct stat status {};
  if (file_.empty() || ::stat(file_.c_str(), &status) != 0) return std::nullopt;
  return Version{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size), status.st_ctim.tv_sec,
                 status.st_ctim.tv_nsec};
}

}  // namespace consilium::files
