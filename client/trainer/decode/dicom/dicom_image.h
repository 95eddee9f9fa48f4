#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a DICOM image. Grey images give modality values (rescaled; MONOCHROME1 is inverted, so that larger is
/// brighter), colour images give RGB. A multi-frame image becomes a volume whose slices are ordered by position, if the
/// frames have one. A segmentation becomes masks (segmentation.h). With `labels` set, the values are returned as
/// stored.
Result<data::DecodedImage> decode_dicom(Bytes file, const data::DecodeOptions& options);

/// Loads DCMTK's data dictionary, registers its codecs and silences its log. Fails with kNotFound if there is no
/// dictionary.
Result<void> set_up_dicom();

}  // namespace consilium::decode
