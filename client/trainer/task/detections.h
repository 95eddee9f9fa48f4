#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Boxes as plain numbers: a detector's output for one image, and its comparison with the ground truth. Needs no torch.
namespace consilium::trainer {

struct Box {
  float left = 0, top = 0, right = 0, bottom = 0;  ///< pixels; right >= left, bottom >= top
};
/// Returns the intersection over union, or 0 if both boxes are empty.
[[nodiscard]] double intersection_over_union(const Box& a, const Box& b);

struct Detection {
  Box box;
  float score = 0;  ///< 0 to 1
  std::int64_t of_class = 0;
};
struct TrueBox {
  Box box;
  std::int64_t of_class = 0;
};

/// Applies non-maximum suppression: sorts by descending score, drops each detection whose overlap with a better one of
/// its class exceeds `overlap`, and keeps at most the first `most`.
[[nodiscard]] std::vector<Detection> without_duplicates(std::vector<Detection> detections, double overlap,
                                                        std::size_t most);

/// The counters of a detection task (common/task/detection.h).
struct DetectionCounts {
  std::span<std::uint64_t> truths, detections, hits;
};
/// Counts one image as COCO does. For each threshold, each detection, in descending order of score, is matched with the
/// unmatched true box of its class that it overlaps most, if the overlap is at least the threshold.
/// @param detections  as without_duplicates() returns them, at most task::kMaxDetections
void count_image(std::span<const Detection> detections, std::span<const TrueBox> truths, const DetectionCounts& counts);

}  // namespace consilium::trainer
