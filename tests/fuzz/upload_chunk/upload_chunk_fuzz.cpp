#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/wire/chunk_frame.h"
#include "common/wire/limits.h"
#include "consilium/v1/blob.pb.h"

using namespace consilium;

/// Our own parser reads a part as protobuf does. The first byte says how the message is sliced.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] + std::size_t{1};
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < bytes.size(); at += step) slices.emplace_back(bytes.substr(at, step));
  const grpc::ByteBuffer message(slices.data(), slices.size());

  const auto payload = wire::read_data(message, wire::kPartDataTag);
  if (!payload || !*payload) return 0;
  std::string joined;
  for (const auto& piece : (*payload)->pieces) joined.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  v1::UploadPart part;
  const bool parsed = part.ParseFromString(bytes) && part.part_case() == v1::UploadPart::kData && part.data() == joined;
  if (!parsed || joined.size() != (*payload)->bytes || joined.empty() || joined.size() > wire::kChunkBytes)
    std::abort();
  return 0;
}
