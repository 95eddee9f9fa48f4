#include "coordinator/spooled_words.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace consilium::coordinator {

Result<std::unique_ptr<SpooledWords>> SpooledWords::open(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0) {
    const int problem = errno;
    if (descriptor >= 0) ::close(descriptor);
    return fail(ErrorCode::kInternal, file.string() + ": " + std::strerror(problem));
  }
  const auto words = static_cast<std::uint64_t>(status.st_size) / sizeof(std::uint32_t);
  return std::unique_ptr<SpooledWords>(new SpooledWords(file, descriptor, words));
}

SpooledWords::~SpooledWords() {
  ::close(descriptor_);
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

Result<void> SpooledWords::read(std::span<std::uint32_t> words) {
  const std::span<std::byte> out = std::as_writable_bytes(words);
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::read(descriptor_, out.data() + done, out.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(ErrorCode::kDataLoss, file_.string() + " ends before its vector does");
    done += static_cast<std::size_t>(count);
  }
  return {};
}

}  // namespace consilium::coordinator
