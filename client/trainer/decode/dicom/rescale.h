#pragma once

#include <optional>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/dicom/frames.h"
#include "client/trainer/decode/dicom/lookup_table.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Rescaled value = slope * stored value + intercept.
struct Rescale {
  double slope = 1.0;
  double intercept = 0.0;
  bool operator==(const Rescale&) const = default;
};

/// What turns stored values into those of the modality. `frames` has one Rescale for each frame, or one for all.
struct Modality {
  std::vector<Rescale> frames{Rescale{}};
  std::optional<LookupTable> table;  ///< instead of a rescale
  bool inverted = false;             ///< MONOCHROME1: the largest stored value is black
};

/// Turns samples into the values of an image, [C][D][H][W] with a slice for each frame, in the order of `order`
/// (indices of frames). Grey alone is rescaled. The type is the smallest that holds all values that bits_stored bits
/// can mean; where that would be more than int32, the values that are there decide.
Result<data::Pixels> rescaled(const Frames& frames, const Modality& modality, const std::vector<std::size_t>& order,
                              const data::DecodeOptions& options);

/// Turns YBR_FULL samples of 8 bits into RGB (PS3.3 C.7.6.3.1.2), in place.
Result<void> turn_into_rgb(Frames& frames);

}  // namespace consilium::decode
