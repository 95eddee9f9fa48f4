#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/volume.h"
#include "common/error/error.h"

namespace consilium::predict {

/// Writes the classes of a volume as a NIfTI file of bytes that lies where the image's own file does: its axes, sizes,
/// qform, sform and version are the file's. An image of another format gets the axes column, row and plane, and the
/// image's spacing.
/// @param image    as it was decoded, with its origin; its pixels aren't needed
/// @param classes  in the decoded image's order, [D, H, W]
[[nodiscard]] std::string nifti_mask(const data::DecodedImage& image, const data::Sides& sides,
                                     std::span<const std::uint8_t> classes);

/// Compresses bytes as gzip. Fails with kInternal where zlib does.
Result<std::string> gzipped(const std::string& bytes);

}  // namespace consilium::predict
