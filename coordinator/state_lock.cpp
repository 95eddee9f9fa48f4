#include "coordinator/state_lock.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace consilium::coordinator {
namespace {

/// Returns a description of the lock's holder ("process 4711"), as that process wrote it.
std::string holder_of(int descriptor) {
  std::array<char, 16> text{};
  const ssize_t count = ::pread(descriptor, text.data(), text.size() - 1, 0);
  const std::string digits = count <= 0 ? "" : std::string(text.data(), std::strspn(text.data(), "0123456789"));
  return digits.empty() ? "another process" : "process " + digits;
}

}  // namespace

Result<StateLock> StateLock::acquire(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "lock";
  files::Descriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  const int descriptor = opened.get();
  if (!opened)
    return fail(ErrorCode::kInternal,
                fmt::format("state_dir: cannot open {}: {}", file.string(), std::strerror(errno)));
  StateLock lock(std::move(opened));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return fail(ErrorCode::kInternal,
                  fmt::format("state_dir: cannot lock {}: {}", file.string(), std::strerror(errno)));
    return fail(
        ErrorCode::kFailedPrecondition,
        fmt::format(
            "state_dir: {} is in use by another coordinator ({}); stop that one, or give this one its own state_dir",
            folder.string(), holder_of(descriptor)));
  }
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, text.data(), text.size(), 0) < 0)
    return fail(ErrorCode::kInternal,
                fmt::format("state_dir: cannot write {}: {}", file.string(), std::strerror(errno)));
  return lock;
}

}  // namespace consilium::coordinator
