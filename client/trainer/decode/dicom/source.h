#pragma once

#include <cstddef>
#include <vector>

#include "client/trainer/data/file_origin.h"
#include "client/trainer/decode/dicom/geometry.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Reads the attributes that an object must repeat if it refers to this image. Fails with kInvalidArgument if an
/// attribute is longer than 256 bytes, and with kResourceExhausted if there are more than data::kMaxSourceFrames
/// frames.
/// @param planes  of the frames, in the file's order
/// @param order   of the decoded image's planes
Result<data::DicomSource> read_source(DcmItem& dataset, const std::vector<FramePlane>& planes,
                                      const std::vector<std::size_t>& order);

}  // namespace consilium::decode
