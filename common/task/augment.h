#pragma once

#include <array>

namespace consilium::task {

/// Random changes of training examples, applied in the same way to an image and its mask or boxes. 0: none.
struct Augment {
  std::array<bool, 3> flip{};  ///< along D, H, W; each with probability 1/2
  double rotate = 0.0;         ///< largest angle in degrees, in the plane of H and W
  double scale = 0.0;          ///< 0.1: factors from 1 / 1.1 to 1.1
  double shift = 0.0;          ///< largest shift, as a share of each side
  double elastic = 0.0;        ///< standard deviation of a smooth displacement, in pixels
  double intensity = 0.0;      ///< 0.1: contrast times 1 / 1.1 to 1.1, brightness by up to 0.1 standard deviations
  double noise = 0.0;          ///< standard deviation, as a share of the image's own
  /// Returns true if pixels move, that is, for any change except intensity and noise.
  [[nodiscard]] bool moves() const {
    return flip != std::array<bool, 3>{} || rotate > 0.0 || scale > 0.0 || shift > 0.0 || elastic > 0.0;
  }
  [[nodiscard]] bool any() const { return moves() || intensity > 0.0 || noise > 0.0; }
  bool operator==(const Augment&) const = default;
};

}  // namespace consilium::task
