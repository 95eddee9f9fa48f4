#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a JPEG file of 8 bits a sample, baseline or progressive, grey or colour, and applies its Exif orientation.
/// A file that ends early, or whose codes make no sense, is an error: its picture would be grey from there on.
Result<data::DecodedImage> decode_jpeg(Bytes file, const data::DecodeOptions& options);

}  // namespace consilium::decode
