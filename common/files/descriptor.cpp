#include "common/files/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <string>
#include <system_error>

namespace consilium::files {
namespace {

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
      return ErrorCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kInternal;
  }
}

/// Calls `transfer(done)` until `size` bytes are done or it returns 0. Repeats calls that a signal interrupted.
template <class Transfer>
Result<std::size_t> repeat(std::size_t size, const std::filesystem::path& file, std::string_view doing,
                           Transfer transfer) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = transfer(done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(system_error(file, doing));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

void Descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Error system_error(const std::filesystem::path& file, std::string_view doing) {
  const int number = errno;
  return {code_of(number),
          file.string() + ": cannot " + std::string(doing) + ": " + std::generic_category().message(number)};
}

Result<Descriptor> open_regular(const std::filesystem::path& file, Links links) {
  const int no_link = links == Links::kRefuse ? O_NOFOLLOW : 0;
  Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | no_link));
  if (!descriptor && errno == ELOOP && links == Links::kRefuse) {
    return fail(ErrorCode::kInvalidArgument,
                file.string() + ": is a symbolic link, which isn't followed here; put the file itself there");
  }
  struct stat status {};
  if (!descriptor || ::fstat(descriptor.get(), &status) != 0) return fail(system_error(file, "open"));
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::kInvalidArgument, file.string() + ": isn't a regular file");
  return descriptor;
}

Result<Descriptor> make_nameless_file(const std::filesystem::path& folder) {
  Descriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (file) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR) return fail(system_error(folder, "create an unnamed file"));
  return fail(
      ErrorCode::kFailedPrecondition,
      folder.string() +
          ": its file system doesn't support unnamed files (O_TMPFILE); choose a folder on ext4, XFS, btrfs or tmpfs");
}

Result<std::uint64_t> size_of(const Descriptor& descriptor, const std::filesystem::path& file) {
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) return fail(system_error(file, "read"));
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> read_some(const Descriptor& descriptor, std::span<std::byte> buffer,
                              const std::filesystem::path& file) {
  return repeat(buffer.size(), file, "read",
                [&](std::size_t done) { return ::read(descriptor.get(), buffer.data() + done, buffer.size() - done); });
}

Result<std::size_t> read_at(const Descriptor& descriptor, std::uint64_t offset, std::span<std::byte> buffer,
                            const std::filesystem::path& file) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()) - buffer.size()) {
    return fail(ErrorCode::kInvalidArgument,
                file.string() + ": offset " + std::to_string(offset) + " is larger than any file can be");
  }
  return repeat(buffer.size(), file, "read", [&](std::size_t done) {
    return ::pread(descriptor.get(), buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
  });
}

Result<void> write_all(const Descriptor& descriptor, std::span<const std::byte> bytes,
                       const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const std::size_t written, repeat(bytes.size(), file, "write", [&](std::size_t done) {
                     return ::write(descriptor.get(), bytes.data() + done, bytes.size() - done);
                   }));
  if (written == bytes.size()) return {};
  return fail(ErrorCode::kInternal, file.string() + ": cannot write: the system took no more bytes");
}

}  // namespace consilium::files
