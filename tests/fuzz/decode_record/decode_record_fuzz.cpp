#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/trainer/decode/decode_records.h"

using namespace consilium;
using namespace consilium::decode;

namespace {

/// A parsed record is within its bounds, and survives encoding and parsing unchanged.
template <class T>
void check_again(const T& value, Result<T> (*parse)(std::string_view)) {
  const auto again = parse(encode(value));
  if (!again || *again != value) std::abort();
}

}  // namespace

/// The first byte chooses the receiver of the rest: a worker, the decoder's parent, or (twice) the trainer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  constexpr std::uint64_t kLimit = 1 << 20;
  switch (bytes[0] % 5) {
    case 0:
      if (const auto request = parse_decode_request(text)) check_again(*request, parse_decode_request);
      break;
    case 1:
      if (const auto request = parse_parent_request(text)) check_again(*request, parse_parent_request);
      break;
    case 2:
      (void)parse_parent_reply(text);
      break;
    default:
      if (const auto reply = parse_decode_reply(text, {.origin = bytes[0] % 5 == 4, .max_bytes = kLimit})) {
        const auto* header = std::get_if<DecodedHeader>(&*reply);
        if (header == nullptr) break;
        std::uint64_t count = bytes_of(header->element);
        for (const auto side : header->image.shape) count *= static_cast<std::uint64_t>(side);
        if (count == 0 || count > kLimit) std::abort();
      }
  }
  return 0;
}
