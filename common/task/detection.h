#pragma once

#include <cstdint>
#include <string_view>

/// The fields that a detection task declares beside the first two.
namespace consilium::task {

inline constexpr std::string_view kTruths = "truths";          // classes: boxes that there are
inline constexpr std::string_view kDetections = "detections";  // classes x bins: boxes predicted, by score
inline constexpr std::string_view kHits = "hits";  // classes x kIouThresholds x bins: those that found a box

/// A prediction finds a box where their intersection over union is at least 0.5, 0.55, ... 0.95.
inline constexpr std::uint32_t kIouThresholds = 10;
[[nodiscard]] constexpr double iou_threshold(std::uint32_t index) { return 0.5 + 0.05 * index; }

/// Predictions that are looked at in one image, those with the highest scores.
inline constexpr std::uint64_t kMaxDetections = 100;

/// Returns how many bins a histogram of detections has: a power of two from 512 to 8,192. Few
/// classes have many bins, so that their average precision is exact to a thousandth; many classes have few, so that
/// the evaluation's vector, of which the histograms are nearly all, stays small beside a model.
/// @param classes  at least 1
[[nodiscard]] constexpr std::uint32_t detection_bins(std::uint64_t classes) {
  constexpr std::uint64_t all = 16'384;  // of one kind of histogram, over all classes
  std::uint32_t bins = 8192;
  while (bins > 512 && classes * bins > all) bins /= 2;
  return bins;
}
/// The bins are evenly spaced in the score's logit over [-kDetectionLogitRange, kDetectionLogitRange].
inline constexpr double kDetectionLogitRange = 8.0;
/// Returns the bin of a score in [0, 1] in a histogram of `bins`.
[[nodiscard]] std::size_t detection_bin(double score, std::size_t bins);

}  // namespace consilium::task
