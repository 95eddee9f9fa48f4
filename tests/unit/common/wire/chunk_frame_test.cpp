#include "common/wire/chunk_frame.h"

#include <grpcpp/support/byte_buffer.h>

#include <cstring>

#include "common/wire/limits.h"
#include "consilium/v1/blob.pb.h"
#include "tests/catch.h"

using namespace consilium;

namespace {

/// A message whose bytes lie in slices of `step`.
grpc::ByteBuffer sliced(const std::string& bytes, std::size_t step) {
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < bytes.size(); at += step) slices.emplace_back(bytes.substr(at, step));
  return {slices.data(), slices.size()};
}

std::string joined(const wire::Payload& payload) {
  std::string bytes;
  for (const auto& piece : payload.pieces) bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return bytes;
}

std::string part_with(std::size_t bytes) {
  v1::UploadPart part;
  part.set_data(std::string(bytes, 'x'));
  return part.SerializeAsString();
}

}  // namespace

TEST_CASE("chunks written by hand are the schema's, and the schema's are read by hand, however they are sliced") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{127}, std::size_t{128}, std::size_t{16'384},
                                  std::size_t{300'000}, wire::kChunkBytes}) {
    wire::ChunkPool pool;
    std::memset(pool.buffer().data(), 'x', bytes);
    const auto written = wire::read_small(pool.data_message(wire::kPartDataTag, bytes), 2 << 20).value();
    CHECK(written == part_with(bytes));
    for (const std::size_t step : {std::size_t{1'000}, std::size_t{16'384}, std::size_t{2'000'000}}) {
      const auto payload = wire::read_data(sliced(written, step), wire::kPartDataTag).value();
      REQUIRE(payload);
      CHECK(payload->bytes == bytes);
      CHECK(joined(*payload) == std::string(bytes, 'x'));
    }
  }
  const auto payload = wire::read_data(sliced(part_with(200), 1), wire::kPartDataTag).value();
  REQUIRE(payload);
  CHECK(joined(*payload) == std::string(200, 'x'));
}

TEST_CASE("a chunk's buffer is used again once it is let go, never before") {
  wire::ChunkPool pool;
  const auto* first = pool.buffer().data();
  auto message = pool.data_message(wire::kChunkDataTag, 10);
  CHECK(pool.buffer().data() != first);
  static_cast<void>(pool.data_message(wire::kChunkDataTag, 10));
  message.Clear();
  CHECK(pool.buffer().data() == first);
}

TEST_CASE("what is no chunk of 1 byte to 1 MiB is refused; another part is left to protobuf") {
  const auto read = [](const std::string& bytes) { return wire::read_data(sliced(bytes, 7), wire::kPartDataTag); };
  CHECK_FALSE(read(part_with(10)).value() == std::nullopt);
  for (const std::string& other : {std::string(), std::string("\x0a\x00", 2), std::string("\x1a\x01x")})
    CHECK(read(other).value() == std::nullopt);
  CHECK_FALSE(read(part_with(0)));
  CHECK_FALSE(read(part_with(wire::kChunkBytes + 1)));
  CHECK_FALSE(read(part_with(10) + "x"));
  CHECK_FALSE(read(part_with(10) + part_with(10)));
  CHECK_FALSE(read("\x12"));
  CHECK_FALSE(read("\x12\x05xxxx"));
  CHECK_FALSE(read("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  const std::string whole = part_with(300);
  for (std::size_t size = 1; size < whole.size(); ++size) CHECK_FALSE(read(whole.substr(0, size)));
}
