#pragma once

#include <array>

namespace consilium::data {

/// The position of a prepared image in the image that it was made from. Along each axis (D, H, W), a coordinate x of
/// the prepared image is at scale * x + offset in the original. Coordinates are those of pixel edges: the first pixel
/// extends from 0 to 1.
struct Placement {
  std::array<double, 3> scale{1.0, 1.0, 1.0};
  std::array<double, 3> offset{0.0, 0.0, 0.0};
  bool operator==(const Placement&) const = default;
};

}  // namespace consilium::data
