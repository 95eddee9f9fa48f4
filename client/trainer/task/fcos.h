#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "client/trainer/task/detections.h"
#include "client/trainer/task/learning_task.h"
#include "common/task/task_spec.h"

/// The anchor-free detector FCOS (Tian et al. 2019), with torchvision's conventions: cell (x, y) of a level predicts
/// from the point (x, y) * stride, distances are in strides, and distances below 0 count as 0.
namespace consilium::trainer {

/// The points of all levels, level after level, row after row.
struct Points {
  at::Tensor places;                ///< [points, 2] float32: x, y
  at::Tensor strides;               ///< [points] float32
  std::vector<std::int64_t> cells;  ///< number of cells of each level
};
/// @param outputs  three for each level: class logits, distances, centre-ness (task::check_outputs)
[[nodiscard]] Points points_of(Outputs outputs);

/// Assigns a true box to each point, as torchvision does. The point must be inside the box and within 1.5 strides of
/// its centre (along each axis), and the box's farthest side must be between 4 and 8 strides away (from 0 on for the
/// first level, without an upper limit for the last). If several boxes qualify, the smallest is assigned.
/// @return [points] int64: an index into the boxes, or -1
[[nodiscard]] at::Tensor assign_targets(const Points& points, const at::Tensor& corners);

/// The loss of one image, summed over its points, and the number of points that have a box.
struct FcosSums {
  at::Tensor total;  ///< focal loss of the classes + GIoU loss of the boxes + cross entropy of the centre-ness
  std::int64_t foreground = 0;
};
/// @param image  index in the batch
[[nodiscard]] FcosSums fcos_loss(Outputs outputs, const Points& points, std::int64_t image, const Boxes& truth,
                                 const task::LossSpec& spec);

/// Decodes one image's boxes, with the score sqrt(p_class * p_centre-ness). Keeps those with a score of at least 0.01,
/// at most the best 1,000 of each level, clipped to the image.
/// @param outputs  on the CPU
[[nodiscard]] std::vector<Detection> boxes_from(Outputs outputs, std::int64_t image, std::int64_t height,
                                                std::int64_t width);

/// Decodes one image's detections as they are counted and reported: boxes_from() after non-maximum suppression (boxes
/// of one class that overlap a better one by more than 0.6, torchvision's value for FCOS, are dropped), at most the
/// best task::kMaxDetections.
[[nodiscard]] std::vector<Detection> detections_from(Outputs outputs, std::int64_t image, std::int64_t height,
                                                     std::int64_t width);

}  // namespace consilium::trainer
