#pragma once

#include <cstddef>
#include <vector>

#include "client/trainer/data/file_origin.h"
#include "client/trainer/decode/dicom/geometry.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Reads what an object that refers to this image repeats of it. Fails with kInvalidArgument where an attribute is
/// longer than 256 bytes, with kResourceExhausted for more than data::kMaxSourceFrames frames.
/// @param planes  of the frames as the file has them   @param order  of the decoded image's planes
Result<data::DicomSource> read_source(DcmItem& dataset, const std::vector<FramePlane>& planes,
                                      const std::vector<std::size_t>& order);

}  // namespace consilium::decode
