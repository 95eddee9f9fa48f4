#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace grpc {
class ByteBuffer;
class Slice;
}  // namespace grpc

/// Bulk messages by hand: one length-delimited protobuf field each, so that a chunk's bytes are never copied through a
/// protobuf string.
namespace consilium::wire {

inline constexpr std::uint8_t kChunkDataTag = 0x0A;  ///< Chunk.data (field 1)
inline constexpr std::uint8_t kPartDataTag = 0x12;   ///< UploadPart.data, BlobPart.data (field 2)

/// The payload of a received data message, where gRPC put it.
struct Payload {
  Payload();
  Payload(Payload&&) noexcept;
  Payload& operator=(Payload&&) noexcept;
  ~Payload();

  std::vector<grpc::Slice> owners;  ///< what keeps the pieces
  std::vector<std::span<const std::byte>> pieces;
  std::size_t bytes = 0;
};

/// Takes a data message apart without copying. Nothing where the message doesn't begin with `tag`; kInvalidArgument
/// where it isn't exactly that one field, or its payload is empty or larger than kChunkBytes.
Result<std::optional<Payload>> read_data(const grpc::ByteBuffer& message, std::uint8_t tag);

/// Copies a small message for protobuf to parse; kInvalidArgument where it is larger than `max_bytes`.
Result<std::string> read_small(const grpc::ByteBuffer& message, std::size_t max_bytes);
/// A message from serialized protobuf.
[[nodiscard]] grpc::ByteBuffer small_message(const std::string& serialized);

/// Buffers of kChunkBytes to fill and send, used again once gRPC let go of them. Not thread-safe but for the return of
/// buffers.
class ChunkPool {
 public:
  ChunkPool();
  /// The buffer to fill next; valid until data_message() gives it away.
  [[nodiscard]] std::span<std::byte> buffer();
  /// A data message of the buffer's first `bytes` bytes; gRPC returns the buffer when it is sent.
  [[nodiscard]] grpc::ByteBuffer data_message(std::uint8_t tag, std::size_t bytes);

 private:
  struct Shelf;
  struct Loan;
  std::shared_ptr<Shelf> shelf_;
  std::unique_ptr<std::byte[]> current_;
};

}  // namespace consilium::wire
