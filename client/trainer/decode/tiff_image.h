#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a TIFF or BigTIFF file: grey, colour or palette; 1 to 32 bits a sample, float32 too; strips or tiles, in
/// libtiff's compressions. Several pages of one size become slices; extra samples (transparency) are left out.
Result<data::DecodedImage> decode_tiff(Bytes file, const data::DecodeOptions& options);

}  // namespace consilium::decode
