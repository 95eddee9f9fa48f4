#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a JPEG file with 8 bits for each sample, baseline or progressive, grey or colour, and applies its Exif
/// orientation.
/// A file that ends early or has invalid codes is an error, because its picture would be grey from there on.
Result<data::DecodedImage> decode_jpeg(Bytes file, const data::DecodeOptions& options);

}  // namespace consilium::decode
