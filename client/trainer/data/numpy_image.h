#pragma once

#include <filesystem>

#include "client/trainer/data/decoded_image.h"
#include "common/error/error.h"

namespace consilium::data {

/// Reads one image, volume or mask that numpy wrote: a .npy file, or an .npz archive that holds one array. [H, W], and
/// [D, H, W] where the last side is above 4; [H, W, C] where it is 1, 3 or 4 (as matplotlib has it); [D, H, W, C].
/// uint8, uint16, int16, int32, float32; int64 and float64 where they fit. Hostile input: sizes are checked against
/// file and limit before memory is taken, NaN is refused.
Result<DecodedImage> decode_numpy(const std::filesystem::path& file, const DecodeOptions& options);

/// Whether a file's name says that numpy wrote it.
[[nodiscard]] bool is_numpy(const std::filesystem::path& file);

/// Puts channels first: [pixels, channels] becomes [channels, pixels].
void channels_first(Pixels& pixels, std::size_t channels);

}  // namespace consilium::data
