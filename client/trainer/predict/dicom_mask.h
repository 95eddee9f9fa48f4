#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "client/trainer/predict/results.h"
#include "common/error/error.h"

namespace consilium::predict {

/// Writes the classes of a DICOM image or series as a DICOM Segmentation (PS3.3 A.51), BINARY, with a segment for each
/// class except 0. It belongs to the image's patient, study and frame of reference, and refers to the instances and
/// frames that it was made from. A segment's frames without any of its pixels are left out; a segment without any pixel
/// has one empty frame.
/// Fails with kInvalidArgument if the image lacks something that a segmentation must repeat, and with kInternal if
/// DCMTK rejects the object.
/// @param image    whose origin is a data::DicomSource
/// @param classes  in the decoded image's order, [D, H, W]
Result<std::string> dicom_mask(const ResultContext& context, const Image& image, std::span<const std::uint8_t> classes);

}  // namespace consilium::predict
