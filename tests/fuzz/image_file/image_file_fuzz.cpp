#include <cstdint>
#include <cstdlib>

#include "client/trainer/decode/decode_file.h"
#include "client/trainer/decode/pixel_values.h"

using namespace consilium;

/// The first byte says how the rest is decoded: bit 0: its header alone; bit 1: as labels. A file is decoded to as many
/// pixels as it says, within the limit, or refused with a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const bool ready = (decode::set_up_libraries(), true);
  if (size == 0 || !ready) return 0;
  const data::DecodeOptions options{
      .header_only = (bytes[0] & 1) != 0, .labels = (bytes[0] & 2) != 0, .max_bytes = 1 << 20};
  const auto image = decode::decode_file({bytes + 1, size - 1}, options);
  if (!image) {
    if (image.error().message.empty()) std::abort();
    return 0;
  }
  if (options.header_only) return 0;
  const auto count = decode::checked_count(image->shape, decode::bytes_of(decode::element_of(image->pixels)), options);
  if (!count || *count != decode::count_of(image->pixels)) std::abort();
  return 0;
}
