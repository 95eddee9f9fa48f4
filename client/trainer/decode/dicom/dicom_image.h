#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a DICOM image: values of the modality (rescaled; MONOCHROME1 inverted, so that more is brighter), colours as
/// RGB. An image of several frames becomes a volume whose slices are ordered by their position where they have one. A
/// segmentation becomes masks (segmentation.h). As labels: the values as they are stored.
Result<data::DecodedImage> decode_dicom(Bytes file, const data::DecodeOptions& options);

/// Loads DCMTK's data dictionary, registers its codecs and silences its log. Fails with kNotFound where there is no
/// dictionary.
Result<void> set_up_dicom();

}  // namespace consilium::decode
