#include "common/wire/chunk_frame.h"

#include <grpcpp/support/byte_buffer.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cstring>
#include <mutex>
#include <string>

#include "common/wire/limits.h"

namespace consilium::wire {

namespace {

constexpr std::size_t kMaxHeadBytes = 5;  ///< tag and a length of at most four bytes
constexpr std::size_t kShelfBuffers = 3;

tl::unexpected<Error> malformed_frame(std::size_t bytes) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("bulk message of {} bytes: expected one chunk of 1 to {} bytes", bytes, kChunkBytes));
}

/// Copies at most `front` bytes from the start of the slices, and returns their number.
std::size_t copy_front(const std::vector<grpc::Slice>& slices, std::span<std::uint8_t> front) {
  std::size_t copied = 0;
  for (const auto& slice : slices) {
    const std::size_t count = std::min(slice.size(), front.size() - copied);
    std::memcpy(front.data() + copied, slice.begin(), count);
    copied += count;
    if (copied == front.size()) break;
  }
  return copied;
}

}  // namespace

Payload::Payload() = default;
Payload::Payload(Payload&&) noexcept = default;
Payload& Payload::operator=(Payload&&) noexcept = default;
Payload::~Payload() = default;

Result<std::optional<Payload>> read_data(const grpc::ByteBuffer& message, std::uint8_t tag) {
  const std::size_t total = message.Length();
  Payload payload;
  if (!message.Dump(&payload.owners).ok()) return malformed_frame(total);
  std::array<std::uint8_t, kMaxHeadBytes> front{};
  const std::size_t available = copy_front(payload.owners, front);
  if (available == 0 || front[0] != tag) return std::optional<Payload>();

  std::size_t head = 1;
  std::size_t length = 0;
  for (unsigned shift = 0;; shift += 7, ++head) {
    if (head >= available) return malformed_frame(total);
    length |= static_cast<std::size_t>(front[head] & 0x7F) << shift;
    if ((front[head] & 0x80) == 0) break;
  }
  ++head;
  if (length == 0 || length > kChunkBytes || total != head + length) return malformed_frame(total);

  payload.bytes = length;
  std::size_t skip = head;
  for (const auto& slice : payload.owners) {
    const std::size_t skipped = std::min(skip, slice.size());
    skip -= skipped;
    if (slice.size() > skipped)
      payload.pieces.push_back(std::as_bytes(std::span(slice.begin() + skipped, slice.size() - skipped)));
  }
  return std::optional<Payload>(std::move(payload));
}

Result<std::string> read_small(const grpc::ByteBuffer& message, std::size_t max_bytes) {
  if (message.Length() > max_bytes) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("message of {} bytes: expected at most {}", message.Length(), max_bytes));
  }
  std::vector<grpc::Slice> slices;
  if (!message.Dump(&slices).ok()) return fail(ErrorCode::kInvalidArgument, "message that cannot be read");
  std::string bytes;
  for (const auto& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

grpc::ByteBuffer small_message(const std::string& serialized) {
  const grpc::Slice slice(serialized);
  return {&slice, 1};
}

/// Buffers that aren't in use.
struct ChunkPool::Shelf {
  std::mutex mutex;
  std::vector<std::unique_ptr<std::byte[]>> buffers;
};

/// A buffer while gRPC uses it.
struct ChunkPool::Loan {
  std::shared_ptr<Shelf> shelf;
  std::unique_ptr<std::byte[]> buffer;

  static void end(void* data) {
    const std::unique_ptr<Loan> loan(static_cast<Loan*>(data));
    const std::lock_guard lock(loan->shelf->mutex);
    if (loan->shelf->buffers.size() < kShelfBuffers) loan->shelf->buffers.push_back(std::move(loan->buffer));
  }
};

ChunkPool::ChunkPool() : shelf_(std::make_shared<Shelf>()) {}

std::span<std::byte> ChunkPool::buffer() {
  if (!current_) {
    const std::lock_guard lock(shelf_->mutex);
    if (!shelf_->buffers.empty()) {
      current_ = std::move(shelf_->buffers.back());
      shelf_->buffers.pop_back();
    }
  }
  if (!current_) current_ = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
  return {current_.get(), kChunkBytes};
}

grpc::ByteBuffer ChunkPool::data_message(std::uint8_t tag, std::size_t bytes) {
  std::array<std::uint8_t, kMaxHeadBytes> head{tag};
  std::size_t head_bytes = 1;
  std::size_t rest = bytes;
  for (; rest >= 0x80; rest >>= 7) head[head_bytes++] = static_cast<std::uint8_t>((rest & 0x7F) | 0x80);
  head[head_bytes++] = static_cast<std::uint8_t>(rest);

  auto loan = std::make_unique<Loan>(Loan{shelf_, std::move(current_)});
  std::byte* data = loan->buffer.get();
  const std::array<grpc::Slice, 2> slices{grpc::Slice(head.data(), head_bytes),
                                          grpc::Slice(data, bytes, &Loan::end, loan.release())};
  return {slices.data(), slices.size()};
}

}  // namespace consilium::wire
