#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "client/trainer/predict/results.h"
#include "common/error/error.h"

namespace consilium::predict {

/// Writes the classes of a DICOM image or series as a DICOM Segmentation (PS3.3 A.51), BINARY, a segment for each class
/// but 0. It belongs to the image's patient, study and frame of reference, and refers to the instances and frames that
/// it was made of. Frames without a pixel of their segment are left out; a segment that has no pixel has
/// one empty frame.
/// @param image    whose origin is a data::DicomSource
/// @param classes  in the decoded image's order, [D, H, W]
/// Fails with kInvalidArgument where the image lacks what a segmentation has to repeat, with kInternal where DCMTK
/// refuses the object.
Result<std::string> dicom_mask(const ResultContext& context, const Image& image, std::span<const std::uint8_t> classes);

}  // namespace consilium::predict
