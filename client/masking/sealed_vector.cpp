#include "client/masking/sealed_vector.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "common/crypto/aes_ctr.h"
#include "common/crypto/random_source.h"
#include "common/files/descriptor.h"

namespace consilium::masking {
namespace {

/// Number of words sealed or opened at a time: 256 KiB, which stay in the second-level cache.
constexpr std::size_t kPiece = 65536;

/// Opens a file. Fails if it is a symbolic link.
files::Descriptor open_file(const std::filesystem::path& file, int flags) {
  return files::Descriptor(::open(file.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
}

/// XORs the keystream into the bytes, which encrypts or decrypts them.
Result<void> apply(crypto::AesCtrStream& stream, std::span<std::uint8_t> keystream, std::span<std::byte> bytes) {
  const auto piece = keystream.first(bytes.size());
  CONSILIUM_TRY(stream.next(piece));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] ^= std::byte{piece[i]};
  return {};
}

Result<crypto::Digest> seal_into(const std::filesystem::path& file, const crypto::SecretBytes& key, std::uint64_t count,
                                 const std::function<Result<void>(const WordSink&)>& write) {
  const files::Descriptor to = open_file(file, O_WRONLY | O_CREAT | O_EXCL);
  if (!to) return fail(files::system_error(file, "create"));
  crypto::AesCtrStream::Counter counter{};
  crypto::SystemRandom random;
  CONSILIUM_TRY(random.fill(counter));
  CONSILIUM_TRY(files::write_all(to, std::as_bytes(std::span(counter)), file));
  CONSILIUM_ASSIGN(crypto::AesCtrStream stream, crypto::AesCtrStream::begin(key, counter));
  std::vector<std::uint8_t> keystream(kPiece * sizeof(std::uint32_t));
  crypto::Sha256 hash;
  std::uint64_t left = count;
  CONSILIUM_TRY(write([&](std::span<std::uint32_t> words) -> Result<void> {
    if (words.size() > left) return fail(ErrorCode::kInternal, "a vector has more words than its layout");
    left -= words.size();
    hash.update(std::as_bytes(words));
    for (auto rest = words; !rest.empty();) {
      const auto piece = std::as_writable_bytes(rest.first(std::min(rest.size(), kPiece)));
      CONSILIUM_TRY(apply(stream, keystream, piece));
      CONSILIUM_TRY(files::write_all(to, piece, file));
      rest = rest.subspan(piece.size() / sizeof(std::uint32_t));
    }
    return {};
  }));
  explicit_bzero(keystream.data(), keystream.size());
  if (left != 0) return fail(ErrorCode::kInternal, "a vector has fewer words than its layout");
  return hash.finish();
}

}  // namespace

Result<crypto::Digest> seal_vector(const std::filesystem::path& file, const crypto::SecretBytes& key,
                                   std::uint64_t count, const std::function<Result<void>(const WordSink&)>& write) {
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  auto digest = seal_into(file, key, count, write);
  if (!digest) std::filesystem::remove(file, ignored);
  return digest;
}

Result<void> open_vector(const std::filesystem::path& file, const crypto::SecretBytes& key, std::uint64_t count,
                         const crypto::Digest& digest, const WordSink& sink) {
  const auto damaged = [&](std::string_view how) {
    return fail(
        ErrorCode::kDataLoss,
        fmt::format("{}: {}; this site's vector for the sum is lost, and no other may be sent", file.string(), how));
  };
  const files::Descriptor from = open_file(file, O_RDONLY);
  if (!from) return damaged(std::strerror(errno));
  crypto::AesCtrStream::Counter counter{};
  CONSILIUM_ASSIGN(const std::size_t head, files::read_some(from, std::as_writable_bytes(std::span(counter)), file));
  if (head != counter.size()) return damaged("it is empty");
  CONSILIUM_ASSIGN(crypto::AesCtrStream stream, crypto::AesCtrStream::begin(key, counter));
  std::vector<std::uint8_t> keystream(kPiece * sizeof(std::uint32_t));
  std::vector<std::uint32_t> words(static_cast<std::size_t>(std::min<std::uint64_t>(count, kPiece)));
  crypto::Sha256 hash;
  for (std::uint64_t left = count; left > 0;) {
    const auto piece = std::span(words).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, words.size())));
    const auto bytes = std::as_writable_bytes(piece);
    CONSILIUM_ASSIGN(const std::size_t read, files::read_some(from, bytes, file));
    if (read != bytes.size()) return damaged("it ends too early");
    CONSILIUM_TRY(apply(stream, keystream, bytes));
    hash.update(bytes);
    CONSILIUM_TRY(sink(piece));
    left -= piece.size();
  }
  explicit_bzero(keystream.data(), keystream.size());
  if (hash.finish() != digest) return damaged("its words were changed after they were sealed");
  return {};
}

}  // namespace consilium::masking
