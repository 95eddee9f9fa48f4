#include "common/pki/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace consilium::pki {
namespace {

/// Closes a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) {
      close(value_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

/// The Error of the last system call on `path`.
Error trouble(const std::filesystem::path& path, std::string_view doing) {
  const int number = errno;
  ErrorCode code = ErrorCode::kInternal;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::kNotFound;
  if (number == EEXIST) code = ErrorCode::kAlreadyExists;
  if (number == EACCES || number == EPERM || number == EROFS) code = ErrorCode::kPermissionDenied;
  return Error{code, path.string() + ": cannot " + std::string(doing) + ": " + std::generic_category().message(number)};
}

Result<void> write_all(int descriptor, std::string_view text, const std::filesystem::path& file) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return fail(trouble(file, "write"));
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(descriptor) != 0) {
    return fail(trouble(file, "sync"));
  }
  return {};
}

Result<void> sync_folder(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const Descriptor descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0 || fsync(descriptor.get()) != 0) {
    return fail(trouble(folder, "sync"));
  }
  return {};
}

Result<std::string> read_open(const std::filesystem::path& file, std::size_t limit, bool must_be_private) {
  // Not blocking: a pipe in the file's place must not hold us up.
  const Descriptor descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (descriptor.get() < 0 || fstat(descriptor.get(), &status) != 0) {
    return fail(trouble(file, "read"));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, file.string() + ": is no regular file");
  }
  if (must_be_private && (status.st_mode & 077) != 0) {
    return fail(ErrorCode::kPermissionDenied,
                file.string() + ": others may read or write this key; run: chmod 600 " + file.string());
  }
  if (static_cast<std::size_t>(status.st_size) > limit) {
    return fail(ErrorCode::kResourceExhausted, file.string() + ": has " + std::to_string(status.st_size) +
                                                   " bytes, at most " + std::to_string(limit) + " are read");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t part = read(descriptor.get(), text.data() + have, text.size() - have);
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (part < 0) {
      return fail(trouble(file, "read"));
    }
    if (part == 0) {
      break;
    }
    have += static_cast<std::size_t>(part);
  }
  text.resize(have);
  return text;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit) {
  return read_open(file, limit, false);
}

Result<std::string> read_private_file(const std::filesystem::path& file, std::size_t limit) {
  return read_open(file, limit, true);
}

Result<void> create_private_file(const std::filesystem::path& file, std::string_view text) {
  const Descriptor descriptor(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (descriptor.get() < 0) {
    return fail(trouble(file, "create"));
  }
  if (fchmod(descriptor.get(), 0600) != 0) {
    return fail(trouble(file, "set the mode"));
  }
  if (auto written = write_all(descriptor.get(), text, file); !written) {
    unlink(file.c_str());  // half a key must not block the next try
    return written;
  }
  return sync_folder(file);
}

Result<void> replace_file(const std::filesystem::path& file, std::string_view text) {
  std::string pattern = file.string() + ".XXXXXX";
  const Descriptor descriptor(mkostemp(pattern.data(), O_CLOEXEC));
  if (descriptor.get() < 0) {
    return fail(trouble(file, "write"));
  }
  Result<void> written = write_all(descriptor.get(), text, file);
  if (written && (fchmod(descriptor.get(), 0644) != 0 || rename(pattern.c_str(), file.c_str()) != 0)) {
    written = fail(trouble(file, "replace"));
  }
  if (!written) {
    unlink(pattern.c_str());
    return written;
  }
  return sync_folder(file);
}

Result<void> make_private_folder(const std::filesystem::path& folder) {
  if (folder.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the folder's name is empty");
  }
  const std::filesystem::path whole = folder.has_filename() ? folder : folder.parent_path();
  std::error_code error;
  if (whole.has_parent_path()) {
    std::filesystem::create_directories(whole.parent_path(), error);
    if (error) {
      return fail(ErrorCode::kPermissionDenied, whole.parent_path().string() + ": cannot create: " + error.message());
    }
  }
  if (mkdir(whole.c_str(), 0700) != 0 && (errno != EEXIST || !std::filesystem::is_directory(whole, error))) {
    return fail(trouble(whole, "create"));
  }
  return {};
}

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(trouble(folder, "open"));
  }
  FolderLock lock(descriptor);
  while (flock(descriptor, LOCK_EX) != 0) {
    if (errno != EINTR) {
      return fail(trouble(folder, "lock"));
    }
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

}  // namespace consilium::pki
