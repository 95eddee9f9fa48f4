#include "common/files/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "common/files/atomic_file.h"

namespace consilium::files {
namespace {

Result<std::string> read_within(const std::filesystem::path& file, std::size_t limit, bool must_be_private,
                                Links links) {
  CONSILIUM_ASSIGN(const Descriptor descriptor, open_regular(file, links));
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) return fail(system_error(file, "read"));
  if (must_be_private && (status.st_mode & 077) != 0) {
    return fail(ErrorCode::kPermissionDenied,
                file.string() + ": others may read or write this key; run: chmod 600 " + file.string());
  }
  if (static_cast<std::uint64_t>(status.st_size) > limit) {
    return fail(ErrorCode::kResourceExhausted, file.string() + ": has " + std::to_string(status.st_size) +
                                                   " bytes; expected at most " + std::to_string(limit));
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  CONSILIUM_ASSIGN(const std::size_t read, read_some(descriptor, std::as_writable_bytes(std::span(text)), file));
  text.resize(read);
  return text;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit, Links links) {
  return read_within(file, limit, false, links);
}

Result<std::string> read_private_file(const std::filesystem::path& file, std::size_t limit) {
  return read_within(file, limit, true, Links::kFollow);
}

Result<void> read_exactly(const std::filesystem::path& file, std::span<std::byte> buffer) {
  CONSILIUM_ASSIGN(const Descriptor descriptor, open_regular(file));
  CONSILIUM_ASSIGN(const std::uint64_t size, size_of(descriptor, file));
  std::size_t read = 0;
  if (size == buffer.size()) {
    CONSILIUM_ASSIGN(read, read_some(descriptor, buffer, file));
  }
  if (size == buffer.size() && read == buffer.size()) return {};
  return fail(ErrorCode::kDataLoss, file.string() + ": expected " + std::to_string(buffer.size()) + " bytes, found " +
                                        std::to_string(size == buffer.size() ? read : size));
}

Result<void> create_private_file(const std::filesystem::path& file, std::string_view text) {
  const Descriptor descriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!descriptor) return fail(system_error(file, "create"));
  Result<void> written;
  if (::fchmod(descriptor.get(), 0600) != 0) written = fail(system_error(file, "set the mode"));
  if (written) written = write_all(descriptor, std::as_bytes(std::span(text)), file);
  if (written && ::fsync(descriptor.get()) != 0) written = fail(system_error(file, "sync"));
  if (!written) {
    ::unlink(file.c_str());  // a partly written key must not block the next attempt
    return written;
  }
  return sync_folder(file.parent_path());
}

Result<void> replace_file(const std::filesystem::path& file, std::span<const std::byte> bytes, Access access) {
  CONSILIUM_ASSIGN(AtomicFile fresh, AtomicFile::create_beside(file, access));
  CONSILIUM_TRY(fresh.write(bytes));
  CONSILIUM_TRY(fresh.sync());
  return fresh.rename_to(file);
}

Result<void> replace_file(const std::filesystem::path& file, std::string_view text) {
  return replace_file(file, std::as_bytes(std::span(text)), Access::kEverybody);
}

Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return fail(system_error(to, "replace"));
  return sync_folder(to.parent_path());
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path named = folder.empty() ? "." : folder;
  const Descriptor descriptor(::open(named.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor || ::fsync(descriptor.get()) != 0) return fail(system_error(named, "sync"));
  return {};
}

Result<void> make_private_folder(const std::filesystem::path& folder) {
  if (folder.empty()) return fail(ErrorCode::kInvalidArgument, "the folder's name is empty");
  const std::filesystem::path whole = folder.has_filename() ? folder : folder.parent_path();
  std::error_code error;
  if (whole.has_parent_path()) {
    std::filesystem::create_directories(whole.parent_path(), error);
    if (error) {
      return fail(ErrorCode::kPermissionDenied, whole.parent_path().string() + ": cannot create: " + error.message());
    }
  }
  if (::mkdir(whole.c_str(), 0700) != 0 && (errno != EEXIST || !std::filesystem::is_directory(whole, error))) {
    return fail(system_error(whole, "create"));
  }
  return {};
}

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor) return fail(system_error(folder, "open"));
  while (::flock(descriptor.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail(system_error(folder, "lock"));
  }
  return FolderLock(std::move(descriptor));
}

}  // namespace consilium::files
