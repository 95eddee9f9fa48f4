#pragma once

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes a DICOM, NIfTI, PNG, JPEG or TIFF file, recognised by its bytes; DICOM and NIfTI may be compressed with
/// gzip. Calls libraries that crash on some broken files: hostile bytes belong into a process that may die
/// (docs/formats/decoder_protocol.md), for which ProcessDecoder stands. Errors are those of data::ImageDecoder, without
/// the file's name.
Result<data::DecodedImage> decode_file(Bytes file, const data::DecodeOptions& options);

/// Does once what the libraries would do at their first call: loads DICOM's data dictionary, registers the codecs and
/// keeps the libraries from printing. Call it before the process gives up opening files. Fails with kNotFound where the
/// dictionary is missing.
Result<void> set_up_libraries();

}  // namespace consilium::decode
