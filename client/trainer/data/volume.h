#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/target.h"
#include "common/error/error.h"

namespace consilium::data {

/// The sides of a volume: D, H and W. D is 1 for an image.
using Sides = std::array<std::int64_t, 3>;

/// An image or volume as float32, [channels, D, H, W].
struct Volume {
  std::int64_t channels = 1;
  Sides sides{1, 1, 1};
  std::vector<float> values;
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< mm along D, H, W
  bool flat = true;                              ///< an image, which has no side D
  bool bytes = false;                            ///< values are whole numbers from 0 to 255, to be divided by 255
  std::optional<Affine> space{};  ///< position of the voxels; only set for a decoded image or a plane of one

  [[nodiscard]] std::size_t plane() const {
    return static_cast<std::size_t>(sides[0]) * static_cast<std::size_t>(sides[1]) * static_cast<std::size_t>(sides[2]);
  }
};

/// Converts decoded pixels. An image becomes a volume of depth 1.
Volume to_volume(const DecodedImage& image);

/// Converts a volume to the model's number of channels: repeats grey, drops alpha, or converts colour to grey (weights
/// of ITU-R BT.601). Fails with kInvalidArgument if none of these gives that number.
Result<void> set_channels(Volume& volume, std::int64_t channels);

/// Converts decoded labels to a mask, whose sides must be the volume's.
/// @param threshold  values above it are class 1, others 0; if unset, values are classes, 0 to 255
Result<Mask> to_mask(const DecodedImage& image, const std::optional<double>& threshold, const Sides& sides);

/// Cuts one plane out of a volume, as an image. Its position is known if the volume's is.
/// @param axis  0: along D (axial), 1: along H (coronal), 2: along W (sagittal)
Volume slice_of(const Volume& volume, std::size_t axis, std::int64_t index);
Mask slice_of(const Mask& mask, std::size_t axis, std::int64_t index);

/// Cuts out the block whose low corner is at `low`. Outside the volume, the block is padded with the volume's least
/// value, or with class 0.
Volume block_of(const Volume& volume, const Sides& low, const Sides& sides);
Mask block_of(const Mask& mask, const Sides& low, const Sides& sides);

/// Returns the plane along D with the most pixels of classes above 0; the middle plane if there are none.
[[nodiscard]] std::int64_t fullest_plane(const Mask& mask);

/// Returns the sides of a mask, in the form of a volume's.
[[nodiscard]] Sides sides_of(const Mask& mask);

}  // namespace consilium::data
