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

/// Bulk messages encoded by hand. Each is one length-delimited protobuf field, so that a chunk's bytes are never copied
/// through a protobuf string.
namespace consilium::wire {

inline constexpr std::uint8_t kChunkDataTag = 0x0A;  ///< Chunk.data (field 1)
inline constexpr std::uint8_t kPartDataTag = 0x12;   ///< UploadPart.data, BlobPart.data (field 2)

/// The payload of a received data message, in gRPC's memory.
struct Payload {
  Payload();
  Payload(Payload&&) noexcept;
  Payload& operator=(Payload&&) noexcept;
  ~Payload();

  std::vector<grpc::Slice> owners;  ///< keep the memory of the pieces alive
  std::vector<std::span<const std::byte>> pieces;
  std::size_t bytes = 0;
};

/// Extracts the payload of a data message without copying. Returns nullopt if the message doesn't begin with `tag`.
/// Fails with kInvalidArgument if it isn't exactly that one field, or if its payload is empty or larger than
/// kChunkBytes.
Result<std::optional<Payload>> read_data(const grpc::ByteBuffer& message, std::uint8_t tag);

/// Copies a small message for protobuf to parse. Fails with kInvalidArgument if it is larger than `max_bytes`.
Result<std::string> read_small(const grpc::ByteBuffer& message, std::size_t max_bytes);
/// Returns a message with serialised protobuf.
[[nodiscard]] grpc::ByteBuffer small_message(const std::string& serialized);

/// Buffers of kChunkBytes for sending, reused once gRPC releases them. Not thread-safe, except that any thread may
/// return buffers.
class ChunkPool {
 public:
  ChunkPool();
  /// Returns the buffer to fill next; valid until data_message() passes it on.
  [[nodiscard]] std::span<std::byte> buffer();
  /// Returns a data message with the buffer's first `bytes` bytes. gRPC returns the buffer once the message is sent.
  [[nodiscard]] grpc::ByteBuffer data_message(std::uint8_t tag, std::size_t bytes);

 private:
  struct Shelf;
  struct Loan;
  std::shared_ptr<Shelf> shelf_;
  std::unique_ptr<std::byte[]> current_;
};

}  // namespace consilium::wire
