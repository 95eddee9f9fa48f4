#include "common/wire/bulk_transfer.h"

#include <fcntl.h>
#include <grpcpp/channel.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "common/wire/bulk_call.h"
#include "common/wire/chunk_frame.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/spool_file.h"
#include "common/wire/status.h"
#include "consilium/v1/blob.grpc.pb.h"

namespace consilium::wire {

namespace {

static_assert(std::endian::native == std::endian::little, "words travel little-endian as they lie in memory");

constexpr auto kStatusDeadline = std::chrono::seconds(30);

std::string field_of(const crypto::Digest& digest) { return {digest.begin(), digest.end()}; }

/// Reads the answer to the last part, and the call's status.
Result<void> receipt(BulkCall& call) {
  grpc::ByteBuffer answer;
  while (call.read(answer)) {
  }
  const grpc::Status status = call.finish();
  if (!status.ok()) return fail(error_from(status));
  return {};
}

Result<void> receive(BulkCall& call, SpoolFile& spool) {
  grpc::ByteBuffer message;
  while (call.read(message)) {
    CONSILIUM_ASSIGN(const auto payload, read_data(message, kChunkDataTag));
    if (!payload) return fail(ErrorCode::kInvalidArgument, "the coordinator sent something other than a chunk");
    CONSILIUM_TRY(spool.append(payload->pieces));
    message.Clear();
  }
  return {};
}

/// Sends bytes as parts, and hashes them meanwhile unless `hash` is null. Returns false if the call ended early.
bool send_parts(BulkCall& call, ChunkPool& pool, crypto::Sha256* hash, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kChunkBytes));
    std::copy(piece.begin(), piece.end(), pool.buffer().begin());
    if (hash != nullptr) hash->update(piece);
    if (!call.write(pool.data_message(kPartDataTag, piece.size()))) return false;
    bytes = bytes.subspan(piece.size());
  }
  return true;
}

Result<std::uint64_t> bytes_held(const std::shared_ptr<grpc::Channel>& channel, const job::SessionKey& key,
                                 const std::stop_token& stop) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kStatusDeadline);
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  v1::UploadStatusRequest request;
  *request.mutable_key() = to_proto(key);
  v1::UploadStatus answer;
  const grpc::Status status = v1::Blobs::NewStub(channel)->GetUploadStatus(&context, request, &answer);
  if (!status.ok()) return fail(error_from(status));
  return answer.bytes();
}

Result<void> upload_from(const std::shared_ptr<grpc::Channel>& channel, const job::SessionKey& key,
                         std::span<const std::byte> bytes, std::uint64_t held,
                         const std::optional<crypto::Digest>& digest, const std::stop_token& stop) {
  BulkCall call(channel, "/consilium.v1.Blobs/Upload", stop);
  v1::UploadPart part;
  *part.mutable_start()->mutable_key() = to_proto(key);
  part.mutable_start()->set_words(bytes.size() / sizeof(std::uint32_t));
  part.mutable_start()->set_offset(held);
  if (!call.write(small_message(part.SerializeAsString()))) return receipt(call);

  crypto::Sha256 hash;
  if (!digest) hash.update(bytes.first(held));
  ChunkPool pool;
  if (!send_parts(call, pool, digest ? nullptr : &hash, bytes.subspan(held))) return receipt(call);
  part.set_digest(field_of(digest ? *digest : hash.finish()));
  call.write_last(small_message(part.SerializeAsString()));
  return receipt(call);
}

/// A file open for reading, closed at the end of its scope.
struct ReadableFile {
  int fd = -1;
  ~ReadableFile() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<void> fetch_blob(const std::shared_ptr<grpc::Channel>& channel, const crypto::Digest& digest,
                        std::optional<std::uint64_t> size, const std::filesystem::path& file,
                        const std::stop_token& stop) {
  const std::uint64_t limit = size.value_or(kMaxBlobBytes);
  std::uint64_t held = SpoolFile::held(file);
  if (held > limit) held = 0;
  CONSILIUM_ASSIGN(SpoolFile spool, SpoolFile::open(file, held, limit));
  if (size && held == *size) {
    if (spool.finish(digest)) return {};  // already complete
    CONSILIUM_ASSIGN(spool, SpoolFile::open(file, 0, limit));
  }

  BulkCall call(channel, "/consilium.v1.Blobs/Fetch", stop);
  v1::FetchRequest request;
  request.set_digest(field_of(digest));
  request.set_offset(spool.bytes());
  call.write_last(small_message(request.SerializeAsString()));
  const auto received = receive(call, spool);
  if (!received) call.cancel();
  const grpc::Status status = call.finish();
  if (!received) return fail(received.error());
  if (!status.ok()) return fail(error_from(status));
  if (size && spool.bytes() != *size) {
    return fail(ErrorCode::kDataLoss, fmt::format("blob {}: expected {} bytes, the coordinator has {}",
                                                  crypto::to_hex(digest), *size, spool.bytes()));
  }
  return spool.finish(digest);
}

Result<void> upload_vector(const std::shared_ptr<grpc::Channel>& channel, const job::SessionKey& key,
                           std::span<const std::uint32_t> words, const std::optional<crypto::Digest>& digest,
                           const std::stop_token& stop) {
  const auto bytes = std::as_bytes(words);
  auto held = bytes_held(channel, key, stop);
  if (!held && held.error().code == ErrorCode::kAlreadyExists) return {};
  if (!held) return fail(held.error());
  auto uploaded = upload_from(channel, key, bytes, *held > bytes.size() ? 0 : *held, digest, stop);
  if (!uploaded && uploaded.error().code == ErrorCode::kAlreadyExists) return {};
  return uploaded;
}

Result<crypto::Digest> put_blob(const std::shared_ptr<grpc::Channel>& channel, const std::filesystem::path& file,
                                const std::stop_token& stop) {
  const ReadableFile source{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (source.fd < 0)
    return fail(ErrorCode::kNotFound, fmt::format("{}: cannot open it: {}", file.string(), std::strerror(errno)));
  BulkCall call(channel, "/consilium.v1.Blobs/PutBlob", stop);
  v1::BlobPart part;
  part.mutable_start()->set_bytes(SpoolFile::held(file));
  bool open = call.write(small_message(part.SerializeAsString()));
  crypto::Sha256 hash;
  ChunkPool pool;
  while (open) {
    const auto buffer = pool.buffer();
    const ssize_t count = ::read(source.fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return fail(ErrorCode::kInternal, fmt::format("{}: cannot read it: {}", file.string(), std::strerror(errno)));
    if (count == 0) break;
    hash.update(buffer.first(static_cast<std::size_t>(count)));
    open = call.write(pool.data_message(kPartDataTag, static_cast<std::size_t>(count)));
  }
  const crypto::Digest digest = hash.finish();
  if (open) {
    part.set_digest(field_of(digest));
    call.write_last(small_message(part.SerializeAsString()));
  }
  CONSILIUM_TRY(receipt(call));
  return digest;
}

}  // namespace consilium::wire
