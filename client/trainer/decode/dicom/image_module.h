#pragma once

#include <cstdint>

#include "client/trainer/decode/dicom/attributes.h"
#include "common/error/error.h"

namespace consilium::decode {

/// How the samples of a DICOM pixel represent grey or colour. YBR that the JPEG decoder has converted to RGB counts as
/// kRgb.
enum class Photometric { kMonochrome1, kMonochrome2, kPalette, kRgb, kYbrFull, kYbrFull422 };

/// The checked Image Pixel attributes of a DICOM image (PS3.3 C.7.6.3).
struct ImageModule {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t frames = 1;
  std::int64_t samples = 1;         ///< for each pixel: 1 or 3
  std::int64_t bits_allocated = 8;  ///< for each sample: 1, 8, 16 or 32
  std::int64_t bits_stored = 8;
  std::int64_t high_bit = 7;
  bool is_signed = false;
  bool planar = false;  ///< all first samples of a frame come before all second ones
  Photometric photometric = Photometric::kMonochrome2;

  [[nodiscard]] std::int64_t pixels() const { return rows * columns; }
  /// Returns the smallest and largest value that bits_stored bits can hold.
  [[nodiscard]] double least() const;
  [[nodiscard]] double most() const;
};

/// Reads the module from a data set. Fails with kInvalidArgument if there is no image or its kind isn't supported.
Result<ImageModule> read_image_module(DcmItem& dataset);

}  // namespace consilium::decode
