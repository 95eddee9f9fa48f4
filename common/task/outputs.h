#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/error/error.h"
#include "common/task/task.h"

namespace consilium::task {

/// Shape of one example, or of a model's output for one example, without the batch dimension.
using Shape = std::vector<std::int64_t>;

/// Checks that a model's outputs are those that the task's loss and counters read, for an input of shape [channels,
/// ...]:
/// - classification, multi-label: one output [classes], logits;
/// - segmentation: one output [classes, ...] with the input's height and width (and depth), logits;
/// - detection: for each level, finest first, three outputs over the same grid: [classes, h, w] logits; [4, h, w]
///   distances to the left, top, right and bottom; [1, h, w] logit of the centre-ness. Level i has the stride 8 * 2^i,
///   and h and w are the image's sides divided by the stride, rounded up.
/// Fails with kInvalidArgument, with what was expected and what was found.
Result<void> check_outputs(const Task& task, const Shape& input, std::span<const Shape> outputs);

/// Returns the number of image pixels along each side of one cell of a detector's level.
[[nodiscard]] constexpr std::int64_t level_stride(std::size_t level) { return std::int64_t{8} << level; }
inline constexpr std::size_t kMaxLevels = 8;

}  // namespace consilium::task
