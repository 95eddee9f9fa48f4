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

/// The mapping from stored values to modality values. `frames` has one Rescale for each frame, or one for all.
struct Modality {
  std::vector<Rescale> frames{Rescale{}};
  std::optional<LookupTable> table;  ///< used instead of a rescale
  bool inverted = false;             ///< MONOCHROME1: the largest stored value is black
};

/// Converts samples to the values of an image, [C][D][H][W], with one slice for each frame, in the order of `order`
/// (indices of frames). Only grey values are rescaled. The type is the smallest that holds every value that bits_stored
/// bits can represent. If that would need more than int32, the type follows from the values that occur.
Result<data::Pixels> rescaled(const Frames& frames, const Modality& modality, const std::vector<std::size_t>& order,
                              const data::DecodeOptions& options);

/// Converts 8-bit YBR_FULL samples to RGB (PS3.3 C.7.6.3.1.2), in place.
Result<void> turn_into_rgb(Frames& frames);

}  // namespace consilium::decode
