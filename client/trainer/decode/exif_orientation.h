#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns the orientation, 1 to 8, from an Exif block (a small TIFF file); 1 if it states none or is broken.
[[nodiscard]] int exif_orientation(Bytes exif);

/// Rotates and mirrors an image of [C, H, W] or [C, D, H, W] so that its orientation becomes 1 (TIFF 6.0, tag 274).
void apply_orientation(int orientation, data::DecodedImage& image);

}  // namespace consilium::decode
