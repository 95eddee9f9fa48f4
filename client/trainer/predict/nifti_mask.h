#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/volume.h"
#include "common/error/error.h"

namespace consilium::predict {

/// Encodes the classes of a volume as a NIfTI file of bytes that occupies the same space as the image's own file: it
/// has that file's axes, sizes, qform, sform and version. For an image of another format, the axes are column, row and
/// plane, and the spacing is the image's.
/// @param image    the decoded image with its origin; its pixels aren't needed
/// @param classes  in the decoded image's order, [D, H, W]
[[nodiscard]] std::string nifti_mask(const data::DecodedImage& image, const data::Sides& sides,
                                     std::span<const std::uint8_t> classes);

/// Compresses bytes with gzip. Fails with kInternal if zlib fails.
Result<std::string> gzipped(const std::string& bytes);

}  // namespace consilium::predict
