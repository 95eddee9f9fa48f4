#include "client/trainer/data/scratch_file.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "common/crypto/aes_ctr.h"
#include "common/crypto/random_source.h"

namespace consilium::data {
namespace {

constexpr std::size_t kPiece = 1 << 18;  ///< bytes of the key stream generated at a time

Error disk_error(const char* doing) {
  return {errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
          fmt::format("the scratch file: cannot {}: {}", doing, std::strerror(errno))};
}

}  // namespace

Result<std::shared_ptr<ScratchFile>> ScratchFile::create_in(const std::filesystem::path& folder, std::uint64_t limit) {
  CONSILIUM_ASSIGN(files::Descriptor file, files::make_nameless_file(folder));
  return adopt(std::move(file), limit);
}

Result<std::shared_ptr<ScratchFile>> ScratchFile::adopt(files::Descriptor file, std::uint64_t limit) {
  CONSILIUM_ASSIGN(crypto::SecretBytes key, crypto::SecretBytes::allocate(32));
  CONSILIUM_TRY(crypto::SystemRandom().fill(key.bytes()));
  std::signal(SIGXFSZ, SIG_IGN);
  return std::shared_ptr<ScratchFile>(new ScratchFile(std::move(file), limit, std::move(key)));
}

std::optional<ScratchFile::Room> ScratchFile::reserve(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > limit_ - end_) return std::nullopt;
  const Room room{end_, bytes, rooms_++};
  end_ += bytes;
  held_ += bytes;
  return room;
}

void ScratchFile::release(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  held_ -= bytes;
  if (held_ == 0) end_ = 0;
}

Result<void> ScratchFile::crypt(const Room& room, std::span<std::byte> bytes) const {
  crypto::AesCtrStream::Counter counter{};  // the room's serial number, then the block's number within the room
  for (std::size_t i = 0; i < 8; ++i) counter[7 - i] = static_cast<std::uint8_t>(room.serial >> (8 * i));
  CONSILIUM_ASSIGN(crypto::AesCtrStream stream, crypto::AesCtrStream::begin(key_, counter));
  std::vector<std::uint8_t> keystream(std::min(bytes.size(), kPiece));
  for (std::size_t first = 0; first < bytes.size(); first += keystream.size()) {
    const std::span piece = std::span(keystream).first(std::min(keystream.size(), bytes.size() - first));
    CONSILIUM_TRY(stream.next(piece));
    for (std::size_t i = 0; i < piece.size(); ++i) bytes[first + i] ^= static_cast<std::byte>(piece[i]);
  }
  return {};
}

Result<void> ScratchFile::write(const Room& room, std::span<std::byte> bytes) {
  CONSILIUM_TRY(crypt(room, bytes));
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count =
        ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(room.at + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(disk_error("write"));
    done += static_cast<std::size_t>(count);
  }
  return {};
}

Result<void> ScratchFile::read(const Room& room, std::span<std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count =
        ::pread(file_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(room.at + done));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return fail(ErrorCode::kDataLoss, "the scratch file: it is shorter than what was written to it");
    if (count < 0) return fail(disk_error("read"));
    done += static_cast<std::size_t>(count);
  }
  return crypt(room, bytes);
}

}  // namespace consilium::data
