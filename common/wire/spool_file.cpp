#include "common/wire/spool_file.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "common/wire/limits.h"

namespace consilium::wire {

std::uint64_t SpoolFile::held(const std::filesystem::path& file) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(file, missing);
  return missing ? 0 : size;
}

Result<SpoolFile> SpoolFile::open(const std::filesystem::path& file, std::uint64_t offset, std::uint64_t limit) {
  std::error_code failed;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), failed);
  files::Descriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened) return fail(files::system_error(file, "open"));
  SpoolFile spool(file, std::move(opened), limit);
  const std::uint64_t size = held(file);
  if (offset > size || offset > limit) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("cannot continue at byte {}: the file holds {} bytes of at most {}", offset, size, limit));
  }
  if (::ftruncate(spool.descriptor_.get(), static_cast<off_t>(offset)) != 0)
    return fail(files::system_error(file, "truncate"));
  CONSILIUM_TRY(spool.hash_prefix(offset));
  return spool;
}

Result<void> SpoolFile::hash_prefix(std::uint64_t bytes) {
  if (bytes == 0) return {};
  std::vector<std::byte> buffer(kChunkBytes);
  while (bytes_ < bytes) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), bytes - bytes_));
    CONSILIUM_ASSIGN(const std::size_t count,
                     files::read_at(descriptor_, bytes_, std::span(buffer).first(wanted), file_));
    if (count == 0) return fail(ErrorCode::kInternal, file_.string() + ": ended while it was being read");
    hash_.update(std::span(buffer).first(count));
    bytes_ += count;
  }
  return {};
}

Result<void> SpoolFile::append(std::span<const std::span<const std::byte>> pieces) {
  std::uint64_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  if (total > limit_ - bytes_) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("more than the {} bytes that were announced", limit_));
  }
  constexpr std::size_t kBatch = 128;
  std::array<iovec, kBatch> batch{};
  std::size_t done = 0;   // pieces written completely
  std::size_t begun = 0;  // bytes of the next piece already written
  while (done < pieces.size()) {
    const std::size_t count = std::min(kBatch, pieces.size() - done);
    for (std::size_t index = 0; index < count; ++index) {
      const auto piece = pieces[done + index].subspan(index == 0 ? begun : 0);
      batch[index] = {const_cast<std::byte*>(piece.data()), piece.size()};
    }
    const ssize_t written =
        ::pwritev(descriptor_.get(), batch.data(), static_cast<int>(count), static_cast<off_t>(bytes_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(files::system_error(file_, "write"));
    bytes_ += static_cast<std::uint64_t>(written);
    begun += static_cast<std::size_t>(written);
    while (done < pieces.size() && begun >= pieces[done].size()) begun -= pieces[done++].size();
  }
  for (const auto& piece : pieces) hash_.update(piece);
  return {};
}

Result<void> SpoolFile::finish(const crypto::Digest& expected) {
  const crypto::Digest found = hash_.finish();
  descriptor_.close();
  if (found == expected) return {};
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
  return fail(ErrorCode::kDataLoss, fmt::format("expected SHA-256 {}, found {} over {} bytes: discarded",
                                                crypto::to_hex(expected), crypto::to_hex(found), bytes_));
}

}  // namespace consilium::wire
