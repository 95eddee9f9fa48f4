#include "coordinator/journal/blob_store.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace consilium::journal {

namespace fs = std::filesystem;

/// What the store's threads share. The mutex guards the counts, and every rename and removal, so that a blob that is
/// being put again isn't removed under the one who puts it.
struct BlobStore::Shared {
  fs::path folder;
  mutable std::mutex mutex;
  std::map<crypto::Digest, std::size_t> retained;
};

namespace {

constexpr std::size_t kChunk = 1 << 20;
/// How far writing runs ahead of the disk, so that the last fsync has little left to do.
constexpr std::uint64_t kWriteBehind = 8 << 20;
constexpr std::string_view kTemporary = "incoming-";

tl::unexpected<Error> system_error(std::string_view action, const fs::path& file) {
  const int number = errno;
  const ErrorCode code = number == ENOSPC || number == EDQUOT ? ErrorCode::kResourceExhausted : ErrorCode::kInternal;
  return fail(code, fmt::format("{}: {}: {}", file.string(), action, std::strerror(number)));
}

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool valid() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

/// A temporary file under way; it disappears unless it is renamed into the store.
class IncomingFile {
 public:
  static Result<IncomingFile> create(const fs::path& folder) {
    std::string name = (folder / (std::string(kTemporary) + "XXXXXX")).string();
    Descriptor descriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (!descriptor.valid()) return system_error("can't create a file", folder);
    return IncomingFile(std::move(descriptor), name);
  }
  IncomingFile(IncomingFile&& other) noexcept = default;
  IncomingFile& operator=(IncomingFile&&) = delete;
  ~IncomingFile() {
    if (descriptor_.valid() && !kept_) ::unlink(path_.c_str());
  }

  Result<void> write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(bytes.size(), kChunk));
      CONSILIUM_TRY(write_whole(part));
      bytes = bytes.subspan(part.size());
    }
    return {};
  }

  Result<void> sync() {
    if (::fsync(descriptor_.get()) != 0) return system_error("fsync", path_);
    return {};
  }

  Result<void> rename_to(const fs::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) return system_error("rename", target);
    kept_ = true;
    const Descriptor folder(::open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid() || ::fsync(folder.get()) != 0) return system_error("fsync of the folder", target.parent_path());
    return {};
  }

 private:
  IncomingFile(Descriptor descriptor, fs::path path) : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<void> write_whole(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return system_error("write", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      written_ += static_cast<std::uint64_t>(written);
    }
    if (written_ - flushed_ >= kWriteBehind) {
      // A hint that starts writing early; fsync is what counts.
      ::sync_file_range(descriptor_.get(), static_cast<off_t>(flushed_), static_cast<off_t>(written_ - flushed_),
                        SYNC_FILE_RANGE_WRITE);
      flushed_ = written_;
    }
    return {};
  }

  Descriptor descriptor_;
  fs::path path_;
  std::uint64_t written_ = 0;
  std::uint64_t flushed_ = 0;
  bool kept_ = false;
};

/// Gives a file that lies on the disk its name in the store.
Result<void> keep(IncomingFile& file, const crypto::Digest& digest, const fs::path& folder, std::mutex& mutex) {
  const fs::path target = folder / crypto::to_hex(digest);
  const std::lock_guard lock(mutex);
  return file.rename_to(target);  // over an equal one, if it is there: the bytes are the same
}

}  // namespace

BlobStore::BlobStore(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}
BlobStore::BlobStore(BlobStore&&) noexcept = default;
BlobStore& BlobStore::operator=(BlobStore&&) noexcept = default;
BlobStore::~BlobStore() = default;

Result<BlobStore> BlobStore::open(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return fail(ErrorCode::kInternal, fmt::format("{}: can't create the folder: {}", folder.string(), error.message()));
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(kTemporary)) {
      std::error_code ignored;
      fs::remove(entry->path(), ignored);
    }
  }
  if (error)
    return fail(ErrorCode::kInternal, fmt::format("{}: can't read the folder: {}", folder.string(), error.message()));
  auto shared = std::make_unique<Shared>();
  shared->folder = folder;
  return BlobStore(std::move(shared));
}

Result<crypto::Digest> BlobStore::put(std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(IncomingFile file, IncomingFile::create(shared_->folder));
  // Hashed on another core while this one writes, and the disk works.
  auto hashed = std::async(std::launch::async, [bytes] { return crypto::sha256(bytes); });
  CONSILIUM_TRY(file.write(bytes));
  CONSILIUM_TRY(file.sync());
  const crypto::Digest digest = hashed.get();
  CONSILIUM_TRY(keep(file, digest, shared_->folder, shared_->mutex));
  return digest;
}

Result<crypto::Digest> BlobStore::put_file(const fs::path& source, std::uint64_t max_bytes) {
  const Descriptor from(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from.valid()) return system_error("open", source);
  CONSILIUM_ASSIGN(IncomingFile file, IncomingFile::create(shared_->folder));
  crypto::Sha256 hash;
  std::vector<std::byte> buffer(kChunk);
  std::uint64_t copied = 0;
  for (;;) {
    const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", source);
    if (count == 0) break;
    copied += static_cast<std::uint64_t>(count);
    if (copied > max_bytes) {
      return fail(ErrorCode::kResourceExhausted, fmt::format("{}: more than {} bytes", source.string(), max_bytes));
    }
    const auto part = std::span(buffer).first(static_cast<std::size_t>(count));
    hash.update(part);
    CONSILIUM_TRY(file.write(part));
  }
  CONSILIUM_TRY(file.sync());
  const crypto::Digest digest = hash.finish();
  CONSILIUM_TRY(keep(file, digest, shared_->folder, shared_->mutex));
  return digest;
}

Result<std::uint64_t> BlobStore::size(const crypto::Digest& digest) const {
  struct stat status {};
  if (::stat(path(digest).c_str(), &status) != 0) {
    if (errno == ENOENT) return fail(ErrorCode::kNotFound, fmt::format("no blob {}", crypto::to_hex(digest)));
    return system_error("stat", path(digest));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> BlobStore::read(const crypto::Digest& digest, std::uint64_t offset,
                                    std::span<std::byte> out) const {
  const Descriptor file(::open(path(digest).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return fail(ErrorCode::kNotFound, fmt::format("no blob {}", crypto::to_hex(digest)));
    return system_error("open", path(digest));
  }
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()) - out.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("blob {}: offset {} is beyond every file", crypto::to_hex(digest), offset));
  }
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::pread(file.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", path(digest));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

fs::path BlobStore::path(const crypto::Digest& digest) const { return shared_->folder / crypto::to_hex(digest); }

void BlobStore::retain(const crypto::Digest& digest) {
  const std::lock_guard lock(shared_->mutex);
  ++shared_->retained[digest];
}

void BlobStore::release(const crypto::Digest& digest) {
  const std::lock_guard lock(shared_->mutex);
  const auto found = shared_->retained.find(digest);
  if (found == shared_->retained.end() || --found->second > 0) return;
  shared_->retained.erase(found);
  ::unlink(path(digest).c_str());
}

void BlobStore::remove(const crypto::Digest& digest) {
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->retained.contains(digest)) ::unlink(path(digest).c_str());
}

std::uint64_t BlobStore::remove_unretained() {
  const std::lock_guard lock(shared_->mutex);
  std::uint64_t freed = 0;
  std::error_code ignored;
  std::vector<fs::path> unretained;
  for (fs::directory_iterator entry(shared_->folder, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const auto digest = crypto::digest_from_hex(entry->path().filename().string());
    if (digest && !shared_->retained.contains(*digest)) unretained.push_back(entry->path());
  }
  for (const fs::path& file : unretained) {
    const std::uint64_t bytes = fs::file_size(file, ignored);
    if (::unlink(file.c_str()) == 0) freed += bytes;
  }
  return freed;
}

}  // namespace consilium::journal
