#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/dicom/image_module.h"
#include "common/error/error.h"

namespace consilium::decode {

/// The uncompressed samples of all frames, one frame after another. Each sample has 1, 2 or 4 bytes in this machine's
/// byte order (single bits are unpacked to bytes).
struct Frames {
  ImageModule module;  ///< photometric and planar describe these bytes; decompression may have changed them
  std::vector<std::uint8_t> bytes;
};

/// Reads and decompresses the frames of an image. Fails with kInvalidArgument if pixel data are missing, broken or
/// shorter than the module states, and with kResourceExhausted beyond the options' limit.
Result<Frames> read_frames(DicomFile& file, const ImageModule& module, const data::DecodeOptions& options);

}  // namespace consilium::decode
