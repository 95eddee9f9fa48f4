#pragma once

#include <array>

namespace consilium::data {

/// Where a prepared image lies in the image that it was made of. Along each axis (D, H, W) the edge of a pixel that is
/// at x in the prepared image is at scale * x + offset in the other one; the first pixel reaches from 0 to 1.
struct Placement {
  std::array<double, 3> scale{1.0, 1.0, 1.0};
  std::array<double, 3> offset{0.0, 0.0, 0.0};
  bool operator==(const Placement&) const = default;
};

}  // namespace consilium::data
