#pragma once

#include <filesystem>

#include "client/trainer/data/decoded_image.h"
#include "common/error/error.h"

namespace consilium::data {

/// Reads one image, volume or mask that numpy wrote: a .npy file, or an .npz archive that holds one array. The array
/// can be [H, W]; [D, H, W] if the last side is above 4; [H, W, C] if the last side is 1, 3 or 4 (as in matplotlib); or
/// [D, H, W, C]. Its type can be uint8, uint16, int16, int32 or float32, or int64 and float64 if the values fit. The
/// file is hostile input: sizes are checked against the file and the limit before memory is allocated, and NaN is
/// rejected.
Result<DecodedImage> decode_numpy(const std::filesystem::path& file, const DecodeOptions& options);

/// Returns true if the file's name ends as numpy's files do.
[[nodiscard]] bool is_numpy(const std::filesystem::path& file);

/// Puts channels first: [pixels, channels] becomes [channels, pixels].
void channels_first(Pixels& pixels, std::size_t channels);

}  // namespace consilium::data
