#pragma once

#include <array>

namespace consilium::task {

/// Random changes of training examples, the same on an image and its mask or boxes. 0: none.
struct Augment {
  std::array<bool, 3> flip{};  ///< along D, H, W; each with probability 1/2
  double rotate = 0.0;         ///< degrees, at most, in the plane of H and W
  double scale = 0.0;          ///< 0.1: from 1 / 1.1 to 1.1
  double shift = 0.0;          ///< share of each side, at most
  double elastic = 0.0;        ///< pixels of a smooth displacement, standard deviation
  double intensity = 0.0;      ///< 0.1: contrast by 1 / 1.1 to 1.1, brightness by as much of the deviation
  double noise = 0.0;          ///< standard deviation, as a share of the image's own
  /// Whether pixels move (anything but intensity and noise).
  [[nodiscard]] bool moves() const {
    return flip != std::array<bool, 3>{} || rotate > 0.0 || scale > 0.0 || shift > 0.0 || elastic > 0.0;
  }
  [[nodiscard]] bool any() const { return moves() || intensity > 0.0 || noise > 0.0; }
  bool operator==(const Augment&) const = default;
};

}  // namespace consilium::task
