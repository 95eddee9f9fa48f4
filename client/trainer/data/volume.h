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

/// Sides of a volume, D, H and W; D is 1 for an image.
using Sides = std::array<std::int64_t, 3>;

/// An image or volume as float32, [channels, D, H, W].
struct Volume {
  std::int64_t channels = 1;
  Sides sides{1, 1, 1};
  std::vector<float> values;
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< mm along D, H, W
  bool flat = true;                              ///< an image: D is no side of it
  bool bytes = false;                            ///< values are whole numbers from 0 to 255, to be divided by 255
  std::optional<Affine> space{};                 ///< where voxels lie; of a decoded image or a plane of it alone

  [[nodiscard]] std::size_t plane() const {
    return static_cast<std::size_t>(sides[0]) * static_cast<std::size_t>(sides[1]) * static_cast<std::size_t>(sides[2]);
  }
};

/// Converts decoded pixels. An image becomes a volume of depth 1.
Volume to_volume(const DecodedImage& image);

/// Gives a volume as many channels as a model has: grey is repeated, alpha dropped, colour weighed to grey (ITU-R
/// BT.601). Fails with kInvalidArgument where neither does.
Result<void> set_channels(Volume& volume, std::int64_t channels);

/// Converts decoded labels to classes of the volume's sides.
/// @param threshold  values above it are class 1, others 0; none: values are classes, 0 to 255
Result<Mask> to_mask(const DecodedImage& image, const std::optional<double>& threshold, const Sides& sides);

/// Cuts one plane out of a volume, as an image; it knows where it lies as the volume does.
/// @param axis  0: along D (axial), 1: along H (coronal), 2: along W (sagittal)
Volume slice_of(const Volume& volume, std::size_t axis, std::int64_t index);
Mask slice_of(const Mask& mask, std::size_t axis, std::int64_t index);

/// Cuts a block out, or pads it, with its low corner at `low`; places outside have the volume's least value, or class
/// 0.
Volume block_of(const Volume& volume, const Sides& low, const Sides& sides);
Mask block_of(const Mask& mask, const Sides& low, const Sides& sides);

/// Returns the plane along D that holds most pixels of classes above 0; the middle one where there are none.
[[nodiscard]] std::int64_t fullest_plane(const Mask& mask);

/// Sides of a mask as of a volume.
[[nodiscard]] Sides sides_of(const Mask& mask);

}  // namespace consilium::data
