#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a PNG file: grey, colour or palette, with 1 to 16 bits for each sample. Transparency is dropped. With
/// `labels` set, a palette gives its indices, and grey of fewer than 8 bits gives its values; otherwise both are
/// expanded to 8 bits.
Result<data::DecodedImage> decode_png(Bytes file, const data::DecodeOptions& options);

}  // namespace consilium::decode
