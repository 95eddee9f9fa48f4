#include "client/trainer/task/detections.h"

#include <algorithm>

#include "common/task/detection.h"

namespace consilium::trainer {
namespace {

double area(const Box& box) {
  return static_cast<double>(box.right - box.left) * static_cast<double>(box.bottom - box.top);
}

/// Returns the unmatched box of the detection's class that it overlaps most, if by at least `threshold`; otherwise -1.
std::int64_t best_match(const Detection& detection, std::span<const TrueBox> truths, const std::vector<bool>& taken,
                        double threshold) {
  std::int64_t best = -1;
  double most = threshold;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    if (taken[i] || truths[i].of_class != detection.of_class) continue;
    const double overlap = intersection_over_union(detection.box, truths[i].box);
    if (overlap < most) continue;
    most = overlap;
    best = static_cast<std::int64_t>(i);
  }
  return best;
}

}  // namespace

double intersection_over_union(const Box& a, const Box& b) {
  const double width = static_cast<double>(std::min(a.right, b.right)) - static_cast<double>(std::max(a.left, b.left));
  const double height = static_cast<double>(std::min(a.bottom, b.bottom)) - static_cast<double>(std::max(a.top, b.top));
  const double both = std::max(width, 0.0) * std::max(height, 0.0);
  const double either = area(a) + area(b) - both;
  return either > 0.0 ? both / either : 0.0;
}

std::vector<Detection> without_duplicates(std::vector<Detection> detections, double overlap, std::size_t most) {
  std::stable_sort(detections.begin(), detections.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  std::vector<Detection> kept;
  for (const Detection& candidate : detections) {
    if (kept.size() == most) break;
    const bool duplicate = std::ranges::any_of(kept, [&](const Detection& better) {
      return better.of_class == candidate.of_class && intersection_over_union(better.box, candidate.box) > overlap;
    });
    if (!duplicate) kept.push_back(candidate);
  }
  return kept;
}

void count_image(std::span<const Detection> detections, std::span<const TrueBox> truths,
                 const DetectionCounts& counts) {
  const std::size_t bins = counts.detections.size() / counts.truths.size();
  const auto bin_of = [bins](const Detection& one) {
    return task::detection_bin(static_cast<double>(one.score), bins);
  };
  for (const TrueBox& truth : truths) ++counts.truths[static_cast<std::size_t>(truth.of_class)];
  for (const Detection& one : detections)
    ++counts.detections[static_cast<std::size_t>(one.of_class) * bins + bin_of(one)];
  for (std::uint32_t index = 0; index < task::kIouThresholds; ++index) {
    std::vector<bool> taken(truths.size(), false);
    for (const Detection& one : detections) {
      const std::int64_t match = best_match(one, truths, taken, task::iou_threshold(index));
      if (match < 0) continue;
      taken[static_cast<std::size_t>(match)] = true;
      const auto row = static_cast<std::size_t>(one.of_class) * task::kIouThresholds + index;
      ++counts.hits[row * bins + bin_of(one)];
    }
  }
}

}  // namespace consilium::trainer
