#include "common/wire/spool_file.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "common/wire/limits.h"

namespace consilium::wire {

namespace {

tl::unexpected<Error> system_error(const std::filesystem::path& file, std::string_view what) {
  const int cause = errno;
  const ErrorCode code = cause == ENOSPC || cause == EDQUOT ? ErrorCode::kResourceExhausted : ErrorCode::kInternal;
  return fail(code, fmt::format("{}: cannot {}: {}", file.string(), what, std::strerror(cause)));
}

}  // namespace

std::uint64_t SpoolFile::held(const std::filesystem::path& file) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(file, missing);
  return missing ? 0 : size;
}

Result<SpoolFile> SpoolFile::open(const std::filesystem::path& file, std::uint64_t offset, std::uint64_t limit) {
  std::error_code failed;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), failed);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return system_error(file, "open it");
  SpoolFile spool(file, fd, limit);
  const std::uint64_t size = held(file);
  if (offset > size || offset > limit) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("cannot go on at byte {}: {} are held of at most {}", offset, size, limit));
  }
  if (::ftruncate(fd, static_cast<off_t>(offset)) != 0) return system_error(file, "truncate it");
  CONSILIUM_TRY(spool.hash_prefix(offset));
  return spool;
}

Result<void> SpoolFile::hash_prefix(std::uint64_t bytes) {
  if (bytes == 0) return {};
  std::vector<std::byte> buffer(kChunkBytes);
  while (bytes_ < bytes) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), bytes - bytes_));
    const ssize_t count = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(bytes_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return system_error(file_, "read it");
    hash_.update(std::span(buffer).first(static_cast<std::size_t>(count)));
    bytes_ += static_cast<std::uint64_t>(count);
  }
  return {};
}

SpoolFile::SpoolFile(SpoolFile&& other) noexcept
    : file_(std::move(other.file_)),
      fd_(std::exchange(other.fd_, -1)),
      limit_(other.limit_),
      bytes_(other.bytes_),
      hash_(std::move(other.hash_)) {}

SpoolFile& SpoolFile::operator=(SpoolFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(fd_, other.fd_);
  std::swap(limit_, other.limit_);
  std::swap(bytes_, other.bytes_);
  std::swap(hash_, other.hash_);
  return *this;
}

SpoolFile::~SpoolFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> SpoolFile::append(std::span<const std::span<const std::byte>> pieces) {
  std::uint64_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  if (total > limit_ - bytes_) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("more than the {} bytes that were announced", limit_));
  }
  constexpr std::size_t kBatch = 128;
  std::array<iovec, kBatch> batch{};
  std::size_t done = 0;   // pieces written whole
  std::size_t begun = 0;  // bytes of the next one that are written
  while (done < pieces.size()) {
    const std::size_t count = std::min(kBatch, pieces.size() - done);
    for (std::size_t index = 0; index < count; ++index) {
      const auto piece = pieces[done + index].subspan(index == 0 ? begun : 0);
      batch[index] = {const_cast<std::byte*>(piece.data()), piece.size()};
    }
    const ssize_t written = ::pwritev(fd_, batch.data(), static_cast<int>(count), static_cast<off_t>(bytes_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(file_, "write it");
    bytes_ += static_cast<std::uint64_t>(written);
    begun += static_cast<std::size_t>(written);
    while (done < pieces.size() && begun >= pieces[done].size()) begun -= pieces[done++].size();
  }
  for (const auto& piece : pieces) hash_.update(piece);
  return {};
}

Result<void> SpoolFile::finish(const crypto::Digest& expected) {
  const crypto::Digest found = hash_.finish();
  ::close(std::exchange(fd_, -1));
  if (found == expected) return {};
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
  return fail(ErrorCode::kDataLoss, fmt::format("expected SHA-256 {}, found {} over {} bytes: discarded",
                                                crypto::to_hex(expected), crypto::to_hex(found), bytes_));
}

}  // namespace consilium::wire
