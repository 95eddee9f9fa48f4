#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/dicom/image_module.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true for a DICOM SEG or label map object.
[[nodiscard]] bool is_segmentation(DcmItem& dataset);

/// Decodes a segmentation (PS3.3 A.51) into masks. As labels: [1, D, H, W] of segment numbers, 0 where there is none;
/// two segments that overlap are an error, and a fraction counts from one half on. Otherwise: [S, D, H, W], a channel
/// for each segment in the order of the file's list; 0 and 1, or fractions from 0 to 1. A label map gives its labels
/// either way. Slices that the object leaves out, because nothing is in them, are filled in between its first and its
/// last.
Result<data::DecodedImage> decode_segmentation(DicomFile& file, const ImageModule& module,
                                               const data::DecodeOptions& options);

}  // namespace consilium::decode
