#pragma once

#include <cstdint>
#include <vector>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"
#include "common/task/counts.h"
#include "common/task/metrics.h"

/// Expected calibration error (Naeini et al. 2015): predictions by confidence in even bins; in each bin the distance
/// between mean confidence and share of right predictions, weighted by the bin's share of all predictions.
namespace consilium::task {

inline constexpr std::string_view kConfidenceCounts = "confidence_predictions";  // bins
inline constexpr std::string_view kConfidenceRight = "confidence_right";         // bins: those that were right
inline constexpr std::string_view kConfidenceSums = "confidence_sums";           // bins: their confidences, in kUnit

/// Declares the three fields of `bins` elements; nothing for 0 bins.
/// @param most  predictions that one site may count
void add_calibration_fields(std::uint32_t bins, std::uint64_t most, std::vector<encoding::Field>& fields);
/// Returns the bin of a confidence in [0, 1]: bin b holds (b / bins, (b + 1) / bins], and 0 is in the first.
[[nodiscard]] std::size_t confidence_bin(double confidence, std::uint32_t bins);
/// Checks that there are `predictions` in all, that no more are right than there are, and that each bin's sum fits its
/// edges.
Result<void> check_calibration(const Counts& counts, std::uint64_t predictions);
/// The table of a metrics' calibration, bins x 3: predictions, those that were right, and the sum of their confidences
/// in kUnit.
inline constexpr std::string_view kCalibrationTable = "calibration";
/// Appends "calibration_error" and the table; nothing where the task has no such fields. Each confidence was rounded to
/// 2^-20, so the error is at most 2^-21.
void add_calibration(const Counts& counts, Metrics& metrics);

}  // namespace consilium::task
