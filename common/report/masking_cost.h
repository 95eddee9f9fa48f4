#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace consilium::report {

/// What one step of secure aggregation cost over a whole simulated job.
struct MaskingCost {
  std::string step;            ///< "advertise", "share", "upload", "confirm", "unmask"
  std::uint64_t messages = 0;  ///< both directions; vectors for "upload"
  std::uint64_t bytes = 0;
  double seconds = 0.0;  ///< of computing, at sites and coordinator together
  bool operator==(const MaskingCost&) const = default;
};

}  // namespace consilium::report
