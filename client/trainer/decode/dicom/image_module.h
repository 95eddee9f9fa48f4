#pragma once

#include <cstdint>

#include "client/trainer/decode/dicom/attributes.h"
#include "common/error/error.h"

namespace consilium::decode {

/// How a DICOM pixel's samples stand for grey or colour. YBR that the decoder of JPEG has turned into RGB is kRgb.
enum class Photometric { kMonochrome1, kMonochrome2, kPalette, kRgb, kYbrFull, kYbrFull422 };

/// What a DICOM image's pixels are, checked (PS3.3 C.7.6.3).
struct ImageModule {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t frames = 1;
  std::int64_t samples = 1;         ///< a pixel: 1 or 3
  std::int64_t bits_allocated = 8;  ///< a sample: 1, 8, 16 or 32
  std::int64_t bits_stored = 8;
  std::int64_t high_bit = 7;
  bool is_signed = false;
  bool planar = false;  ///< all first samples of a frame, then all second ones
  Photometric photometric = Photometric::kMonochrome2;

  [[nodiscard]] std::int64_t pixels() const { return rows * columns; }
  /// The smallest and the largest value that bits_stored bits hold.
  [[nodiscard]] double least() const;
  [[nodiscard]] double most() const;
};

/// Reads the module of a data set. Fails with kInvalidArgument where there is no image, or one that isn't read.
Result<ImageModule> read_image_module(DcmItem& dataset);

}  // namespace consilium::decode
