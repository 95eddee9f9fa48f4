#pragma once

#include <cstdint>
#include <string_view>

/// The fields that a detection task declares beside the first two.
namespace consilium::task {

inline constexpr std::string_view kTruths = "truths";          // classes: boxes that there are
inline constexpr std::string_view kDetections = "detections";  // classes x kDetectionBins: boxes predicted, by score
inline constexpr std::string_view kHits = "hits";  // classes x kIouThresholds x kDetectionBins: those that found a box

/// A prediction finds a box where their intersection over union is at least 0.5, 0.55, ... 0.95.
inline constexpr std::uint32_t kIouThresholds = 10;
[[nodiscard]] constexpr double iou_threshold(std::uint32_t index) { return 0.5 + 0.05 * index; }

/// Predictions that are looked at in one image, those with the highest scores.
inline constexpr std::uint64_t kMaxDetections = 100;

/// Bins of a histogram of detections, evenly spaced in the score's logit over [-kDetectionLogitRange,
/// kDetectionLogitRange].
inline constexpr std::uint32_t kDetectionBins = 512;
inline constexpr double kDetectionLogitRange = 8.0;
/// Returns the bin of a score in [0, 1].
[[nodiscard]] std::size_t detection_bin(double score);

}  // namespace consilium::task
