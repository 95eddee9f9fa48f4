#pragma once

#include <tiffio.h>

#include <cstdint>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/pixel_values.h"
#include "common/error/error.h"

namespace consilium::decode {

/// How one page (directory) of a TIFF file stores its samples.
struct TiffPage {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint16_t bits = 1;
  std::uint16_t samples = 1;   ///< for each pixel, including transparency
  std::uint16_t channels = 1;  ///< the number of samples that are read
  std::uint16_t photometric = PHOTOMETRIC_MINISBLACK;
  std::uint16_t orientation = ORIENTATION_TOPLEFT;
  bool planar = false;  ///< the samples of a pixel are in separate blocks
  bool tiled = false;
  std::uint32_t block_width = 0;
  std::uint32_t block_height = 0;
  Element element = Element::kUint8;

  bool operator==(const TiffPage&) const = default;
};

/// Reads the tags of the current page of `tiff`. Fails with kInvalidArgument if its layout isn't supported.
Result<TiffPage> read_tiff_page(TIFF* tiff);

/// Reads the page's samples as the file stores them, [channels][height][width]; their type is the page's element.
Result<data::Pixels> read_tiff_samples(TIFF* tiff, const TiffPage& page, const data::DecodeOptions& options);

}  // namespace consilium::decode
