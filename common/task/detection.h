#pragma once

#include <cstdint>
#include <string_view>

/// The fields that a detection task has in addition to the two common ones.
namespace consilium::task {

inline constexpr std::string_view kTruths = "truths";          // classes: true boxes
inline constexpr std::string_view kDetections = "detections";  // classes x bins: predicted boxes, by score
inline constexpr std::string_view kHits = "hits";  // classes x kIouThresholds x bins: predicted boxes that found a box

/// A prediction finds a box if their intersection over union is at least 0.5, 0.55, ... 0.95.
inline constexpr std::uint32_t kIouThresholds = 10;
[[nodiscard]] constexpr double iou_threshold(std::uint32_t index) { return 0.5 + 0.05 * index; }

/// Number of predictions that are counted in one image: those with the highest scores.
inline constexpr std::uint64_t kMaxDetections = 100;

/// Returns the number of bins of a histogram of detections: a power of two from 512 to 8,192. With few classes there
/// are many bins, so that average precision is exact to a thousandth. With many classes there are few, because the
/// histograms are most of the evaluation's vector, which should stay small compared with a model.
/// @param classes  at least 1
[[nodiscard]] constexpr std::uint32_t detection_bins(std::uint64_t classes) {
  constexpr std::uint64_t all = 16'384;  // for one kind of histogram, over all classes
  std::uint32_t bins = 8192;
  while (bins > 512 && classes * bins > all) bins /= 2;
  return bins;
}
/// The bins are evenly spaced in the score's logit over [-kDetectionLogitRange, kDetectionLogitRange].
inline constexpr double kDetectionLogitRange = 8.0;
/// Returns the bin of a score in [0, 1] in a histogram of this many bins.
[[nodiscard]] std::size_t detection_bin(double score, std::size_t bins);

}  // namespace consilium::task
