#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace consilium::report {

/// The cost of one step of secure aggregation over a whole simulated job.
struct MaskingCost {
  /// In mode `masked`: "agree", "advertise", "upload", "check", "endorse". In mode `masked-threshold`: "advertise",
  /// "share", "upload", "confirm", "unmask".
  std::string step;
  std::uint64_t messages = 0;  ///< in both directions; vectors for "upload", totals for "check"
  std::uint64_t bytes = 0;
  double seconds = 0.0;  ///< computing time of sites and coordinator together
  bool operator==(const MaskingCost&) const = default;
};

}  // namespace consilium::report
