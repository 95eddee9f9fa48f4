#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace consilium::report {

/// What one step of secure aggregation cost over a whole simulated job.
struct MaskingCost {
  /// "agree", "advertise", "upload", "check", "endorse"; in mode `masked-threshold` "advertise", "share", "upload",
  /// "confirm", "unmask".
  std::string step;
  std::uint64_t messages = 0;  ///< both directions; vectors for "upload", totals for "check"
  std::uint64_t bytes = 0;
  double seconds = 0.0;  ///< of computing, at sites and coordinator together
  bool operator==(const MaskingCost&) const = default;
};

}  // namespace consilium::report
