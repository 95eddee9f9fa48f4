#include "coordinator/journal/blob_store.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "common/files/atomic_file.h"
#include "common/files/files.h"

namespace consilium::journal {

namespace fs = std::filesystem;

/// The state shared by the store's threads. The mutex guards the counts and every rename and removal, so that a blob
/// isn't removed while another thread is putting it again.
struct BlobStore::Shared {
  fs::path folder;
  mutable std::mutex mutex;
  std::map<crypto::Digest, std::size_t> retained;
};

namespace {

constexpr std::size_t kChunk = 1 << 20;
constexpr std::string_view kTemporary = "incoming-";

/// Moves a file that is already on disk to its name in the store.
Result<void> keep(files::AtomicFile& file, const crypto::Digest& digest, const fs::path& folder, std::mutex& mutex) {
  const fs::path target = folder / crypto::to_hex(digest);
  const std::lock_guard lock(mutex);
  return file.rename_to(target);  // replaces an existing blob, whose bytes are the same
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
  CONSILIUM_ASSIGN(files::AtomicFile file,
                   files::AtomicFile::create_in(shared_->folder, kTemporary, files::Access::kOwner));
  // Hash on another core while this thread writes and the disk works.
  auto hashed = std::async(std::launch::async, [bytes] { return crypto::sha256(bytes); });
  CONSILIUM_TRY(file.write(bytes));
  CONSILIUM_TRY(file.sync());
  const crypto::Digest digest = hashed.get();
  CONSILIUM_TRY(keep(file, digest, shared_->folder, shared_->mutex));
  return digest;
}

Result<crypto::Digest> BlobStore::put_file(const fs::path& source, std::uint64_t max_bytes) {
  CONSILIUM_ASSIGN(const files::Descriptor from, files::open_regular(source));
  CONSILIUM_ASSIGN(files::AtomicFile file,
                   files::AtomicFile::create_in(shared_->folder, kTemporary, files::Access::kOwner));
  crypto::Sha256 hash;
  std::vector<std::byte> buffer(kChunk);
  std::uint64_t copied = 0;
  for (;;) {
    CONSILIUM_ASSIGN(const std::size_t count, files::read_some(from, buffer, source));
    if (count == 0) break;
    copied += count;
    if (copied > max_bytes) {
      return fail(ErrorCode::kResourceExhausted, fmt::format("{}: more than {} bytes", source.string(), max_bytes));
    }
    const auto part = std::span(buffer).first(count);
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
    return fail(files::system_error(path(digest), "read"));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> BlobStore::read(const crypto::Digest& digest, std::uint64_t offset,
                                    std::span<std::byte> out) const {
  const auto file = files::open_regular(path(digest));
  if (!file && file.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound, fmt::format("no blob {}", crypto::to_hex(digest)));
  }
  if (!file) return fail(file.error());
  return files::read_at(*file, offset, out, path(digest));
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
