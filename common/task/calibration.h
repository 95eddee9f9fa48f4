#pragma once

#include <cstdint>
#include <vector>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"
#include "common/task/counts.h"
#include "common/task/metrics.h"

/// Expected calibration error (Naeini et al. 2015). Predictions are grouped by confidence into even bins. The error is
/// the mean over the bins of the distance between mean confidence and share of correct predictions, weighted by the
/// bin's share of all predictions.
namespace consilium::task {

inline constexpr std::string_view kConfidenceCounts = "confidence_predictions";  // bins
inline constexpr std::string_view kConfidenceRight = "confidence_right";         // bins: correct predictions
inline constexpr std::string_view kConfidenceSums = "confidence_sums";  // bins: sums of the confidences, in kUnit

/// Appends the three fields of `bins` elements each, or nothing if `bins` is 0.
/// @param most  number of predictions that one site may count
void add_calibration_fields(std::uint32_t bins, std::uint64_t most, std::vector<encoding::Field>& fields);
/// Returns the bin of a confidence in [0, 1]: bin b holds (b / bins, (b + 1) / bins], and the first bin also holds 0.
[[nodiscard]] std::size_t confidence_bin(double confidence, std::uint32_t bins);
/// Checks that there are `predictions` in all, that no bin has more correct predictions than predictions, and that each
/// bin's sum of confidences is possible for its edges.
Result<void> check_calibration(const Counts& counts, std::uint64_t predictions);
/// Name of the calibration table, bins x 3: predictions, correct predictions, and the sum of the confidences in kUnit.
inline constexpr std::string_view kCalibrationTable = "calibration";
/// Appends "calibration_error" and the table, or nothing if the task has no such fields. Each confidence was rounded to
/// 2^-20, so the error is at most 2^-21.
void add_calibration(const Counts& counts, Metrics& metrics);

}  // namespace consilium::task
