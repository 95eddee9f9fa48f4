#include "common/files/atomic_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace consilium::files {
namespace {

constexpr int kMostTries = 100;
constexpr std::size_t kChunk = 1 << 20;
/// How many bytes may be written before the kernel is asked to flush them, so that the last fsync has little left to
/// do.
constexpr std::uint64_t kWriteBehind = 8 << 20;

Result<std::string> random_digits(const std::filesystem::path& folder) {
  std::array<unsigned char, 8> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return fail(system_error(folder, "create a file in it"));
  std::string digits;
  for (const unsigned char byte : bytes) {
    digits.push_back("0123456789abcdef"[byte >> 4]);
    digits.push_back("0123456789abcdef"[byte & 15]);
  }
  return digits;
}

/// Creates a file with the given access under an unused name, and stores that name.
Result<Descriptor> open_new(const std::filesystem::path& folder, std::string_view prefix, Access access,
                            std::filesystem::path& name, const std::filesystem::path& shown) {
  const mode_t mode = access == Access::kUmask ? 0666 : 0600;
  for (int tries = 0; tries < kMostTries; ++tries) {
    CONSILIUM_ASSIGN(const std::string digits, random_digits(folder));
    name = folder / (std::string(prefix) + digits);
    Descriptor descriptor(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (descriptor) return descriptor;
    if (errno != EEXIST) break;
  }
  return fail(system_error(shown, "create"));
}

Result<void> set_access(const Descriptor& descriptor, Access access, const std::filesystem::path& shown) {
  if (access == Access::kUmask) return {};
  if (::fchmod(descriptor.get(), access == Access::kOwner ? 0600 : 0644) == 0) return {};
  return fail(system_error(shown, "set the mode"));
}

}  // namespace

Result<AtomicFile> AtomicFile::create_beside(const std::filesystem::path& target, Access access) {
  std::error_code unreadable;
  const auto there = std::filesystem::symlink_status(target, unreadable);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there) &&
      !std::filesystem::is_symlink(there)) {
    return fail(ErrorCode::kInvalidArgument,
                target.string() + ": exists and is not a file; expected the name of a file to write");
  }
  std::filesystem::path name;
  const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";
  CONSILIUM_ASSIGN(Descriptor descriptor,
                   open_new(folder, "." + target.filename().string() + ".", access, name, target));
  AtomicFile file(std::move(descriptor), name, target);
  CONSILIUM_TRY(set_access(file.descriptor_, access, target));
  return file;
}

Result<AtomicFile> AtomicFile::create_in(const std::filesystem::path& folder, std::string_view prefix, Access access) {
  std::filesystem::path name;
  CONSILIUM_ASSIGN(Descriptor descriptor, open_new(folder, prefix, access, name, folder));
  AtomicFile file(std::move(descriptor), name, name);
  CONSILIUM_TRY(set_access(file.descriptor_, access, folder));
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : descriptor_(std::move(other.descriptor_)),
      path_(std::exchange(other.path_, {})),
      shown_(std::move(other.shown_)),
      written_(other.written_),
      flushed_(other.flushed_) {}

AtomicFile::~AtomicFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kChunk));
    CONSILIUM_TRY(write_all(descriptor_, part, shown_));
    bytes = bytes.subspan(part.size());
    written_ += part.size();
    if (written_ - flushed_ < kWriteBehind) continue;
    // Only a hint to start writing early; durability comes from fsync.
    ::sync_file_range(descriptor_.get(), static_cast<off_t>(flushed_), static_cast<off_t>(written_ - flushed_),
                      SYNC_FILE_RANGE_WRITE);
    flushed_ = written_;
  }
  return {};
}

Result<void> AtomicFile::sync() {
  if (::fsync(descriptor_.get()) != 0) return fail(system_error(shown_, "sync"));
  return {};
}

Result<void> AtomicFile::rename_to(const std::filesystem::path& target) {
  CONSILIUM_TRY(rename_unsynced(target));
  return sync_folder(target.parent_path());
}

Result<void> AtomicFile::rename_unsynced(const std::filesystem::path& target) {
  if (std::rename(path_.c_str(), target.c_str()) != 0) return fail(system_error(target, "replace"));
  path_.clear();
  return {};
}

}  // namespace consilium::files
