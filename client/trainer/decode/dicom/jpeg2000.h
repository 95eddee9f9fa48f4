#pragma once

#include <span>

#include "client/trainer/decode/byte_span.h"
#include "client/trainer/decode/dicom/image_module.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Decodes one JPEG 2000 frame, a codestream or a JP2 file, into samples of bits_allocated bits, pixel by pixel. Its
/// size and number of components must match the module. Signed components are written in two's complement.
Result<void> decode_jpeg2000(Bytes compressed, const ImageModule& module, std::span<std::uint8_t> frame);

}  // namespace consilium::decode
