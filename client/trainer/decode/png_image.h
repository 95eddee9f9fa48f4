#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a PNG file: grey, colour or palette, 1 to 16 bits a sample; transparency is left out. As labels, a palette
/// gives its indices and grey of few bits its values; as an image, both are brought to 8 bits.
Result<data::DecodedImage> decode_png(Bytes file, const data::DecodeOptions& options);

}  // namespace consilium::decode
