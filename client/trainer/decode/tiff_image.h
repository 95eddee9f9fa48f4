#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a TIFF or BigTIFF file: grey, colour or palette, 1 to 32 bits for each sample or float32, in strips or
/// tiles, with libtiff's compressions. Several pages of the same size become slices. Extra samples (transparency) are
/// dropped.
Result<data::DecodedImage> decode_tiff(Bytes file, const data::DecodeOptions& options);

}  // namespace consilium::decode
