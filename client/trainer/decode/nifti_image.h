#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true if the bytes begin with the header of a NIfTI-1 or NIfTI-2 file, in either byte order.
[[nodiscard]] bool is_nifti(Bytes file);

/// Decodes an uncompressed NIfTI file. Volumes are reoriented to the closest RAS axes; further dimensions become
/// channels. With `header_only`, the voxels may be missing.
Result<data::DecodedImage> decode_nifti(Bytes file, const data::DecodeOptions& options);

/// Stops the NIfTI library from printing.
void set_up_nifti();

}  // namespace consilium::decode
