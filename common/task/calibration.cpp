#include "common/task/calibration.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace consilium::task {

void add_calibration_fields(std::uint32_t bins, std::uint64_t most, std::vector<encoding::Field>& fields) {
  if (bins == 0) return;
  fields.push_back(encoding::count_field(std::string(kConfidenceCounts), bins, most));
  fields.push_back(encoding::count_field(std::string(kConfidenceRight), bins, most));
  fields.push_back(encoding::count_field(std::string(kConfidenceSums), bins, ~std::uint64_t{0}));
}

std::size_t confidence_bin(double confidence, std::uint32_t bins) {
  const double bin = std::ceil(confidence * bins) - 1.0;
  return static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(bins - 1)));
}

Result<void> check_calibration(const Counts& counts, std::uint64_t predictions) {
  const auto held = counts.of(kConfidenceCounts);
  const auto right = counts.of(kConfidenceRight);
  const auto sums = counts.of(kConfidenceSums);
  if (held.empty()) return {};
  CONSILIUM_ASSIGN(const std::uint64_t all, total(held));
  if (all != predictions)
    return contradiction(fmt::format("{} predictions have a confidence, expected {}", all, predictions));
  const auto bins = static_cast<double>(held.size());
  for (std::size_t bin = 0; bin < held.size(); ++bin) {
    CONSILIUM_TRY(check_at_most(right[bin], held[bin], fmt::format("right predictions of confidence bin {}", bin)));
    CONSILIUM_TRY(check_unit_sum(sums[bin], held[bin], fmt::format("confidences of bin {}", bin)));
    // Each confidence was rounded to a unit. The error of the doubles below is far less than one unit a prediction.
    const auto count = static_cast<double>(held[bin]);
    const double mean = static_cast<double>(sums[bin]) / kUnit;
    const double slack = count * 2.0 / kUnit;
    const double low = static_cast<double>(bin) / bins * count;
    const double high = static_cast<double>(bin + 1) / bins * count;
    if (mean < low - slack || mean > high + slack)
      return contradiction(
          fmt::format("the confidences of bin {} add up to {:.6g}, expected {:.6g} to {:.6g}", bin, mean, low, high));
  }
  return {};
}

void add_calibration(const Counts& counts, Metrics& metrics) {
  const auto held = counts.of(kConfidenceCounts);
  const auto right = counts.of(kConfidenceRight);
  const auto sums = counts.of(kConfidenceSums);
  if (held.empty()) return;
  double gaps = 0.0;
  double all = 0.0;
  CountTable table{std::string(kCalibrationTable), static_cast<std::uint32_t>(held.size()), 3, {}};
  for (std::size_t bin = 0; bin < held.size(); ++bin) {
    gaps += std::fabs(static_cast<double>(sums[bin]) / kUnit - static_cast<double>(right[bin]));
    all += static_cast<double>(held[bin]);
    table.counts.insert(table.counts.end(), {held[bin], right[bin], sums[bin]});
  }
  metrics.tables.push_back(std::move(table));
  if (all > 0.0) metrics.values.push_back({"calibration_error", gaps / all, 0.5 / kUnit, false});
}

}  // namespace consilium::task
