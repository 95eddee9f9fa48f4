#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a DICOM, NIfTI, PNG, JPEG or TIFF file, which is recognised from its bytes. DICOM and NIfTI may be
/// compressed with gzip. The libraries that this calls crash on some broken files, so hostile bytes must only be
/// decoded in a process that may die (docs/formats/decoder_protocol.md); ProcessDecoder provides one. Fails as
/// data::ImageDecoder does, but without the file's name.
Result<data::DecodedImage> decode_file(Bytes file, const data::DecodeOptions& options);

/// Does the setup that the libraries would otherwise do at their first call: loads DICOM's data dictionary, registers
/// the codecs and stops the libraries from printing. Call it before the process gives up opening files. Fails with
/// kNotFound if the dictionary is missing.
Result<void> set_up_libraries();

}  // namespace consilium::decode
