#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/dicom/image_module.h"
#include "common/error/error.h"

namespace consilium::decode {

/// The samples of all frames, uncompressed: one after the other, each sample 1, 2 or 4 bytes in this machine's order
/// (single bits are unpacked to bytes).
struct Frames {
  ImageModule module;  ///< with photometric and planar as the bytes are, which decompressing may have changed
  std::vector<std::uint8_t> bytes;
};

/// Reads and uncompresses the frames of an image. Fails with kInvalidArgument where pixel data are missing, broken or
/// shorter than the module promises, with kResourceExhausted beyond the options' limit.
Result<Frames> read_frames(DicomFile& file, const ImageModule& module, const data::DecodeOptions& options);

}  // namespace consilium::decode
