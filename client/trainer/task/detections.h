#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Boxes as plain numbers: what a detector says about one image, and how it compares with the truth. Free of torch.
namespace consilium::trainer {

struct Box {
  float left = 0, top = 0, right = 0, bottom = 0;  ///< pixels; right >= left, bottom >= top
};
/// Intersection over union; 0 where both are empty.
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

/// Sorts by descending score and leaves out each detection that overlaps a better one of its class by more than
/// `overlap`, then all but the first `most`.
[[nodiscard]] std::vector<Detection> without_duplicates(std::vector<Detection> detections, double overlap,
                                                        std::size_t most);

/// The counters of a detection task (common/task/detection.h).
struct DetectionCounts {
  std::span<std::uint64_t> truths, detections, hits;
};
/// Counts one image as COCO does: for each threshold, detections in descending order of score each take the free box of
/// their class that they overlap most, if by the threshold at least.
/// @param detections  as without_duplicates() leaves them, task::kMaxDetections at most
void count_image(std::span<const Detection> detections, std::span<const TrueBox> truths, const DetectionCounts& counts);

}  // namespace consilium::trainer
