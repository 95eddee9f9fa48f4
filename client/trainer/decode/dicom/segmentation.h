#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/dicom/image_module.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true if the data set is a DICOM SEG or label map object.
[[nodiscard]] bool is_segmentation(DcmItem& dataset);

/// Decodes a segmentation (PS3.3 A.51) into masks. With `labels` set: [1, D, H, W] of segment numbers, 0 outside all
/// segments; overlapping segments are an error, and a fraction counts if it is at least one half. Otherwise: [S, D, H,
/// W], a channel for each segment in the order of the file's list, with values 0 and 1, or fractions from 0 to 1. A
/// label map gives its labels in both cases. Slices that the object omits because they are empty are filled in between
/// its first and its last slice.
Result<data::DecodedImage> decode_segmentation(DicomFile& file, const ImageModule& module,
                                               const data::DecodeOptions& options);

}  // namespace consilium::decode
