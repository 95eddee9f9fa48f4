#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "client/trainer/models/network.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Returns where windows begin along one side of an image: evenly spaced, at most half a window apart, the first at the
/// beginning and the last flush with the end.
/// @param side  at least `window`
[[nodiscard]] std::vector<std::int64_t> window_places(std::int64_t side, std::int64_t window);

/// Computes the weight of each position in a window: a Gaussian around the centre, with a standard deviation of an
/// eighth of each side (Isensee et al. 2021, nnU-Net). At a window's edge the network sees the least context, so those
/// positions count less. Returns float32 on the CPU, all > 0.
/// @param sides  of the window
[[nodiscard]] at::Tensor window_importance(std::span<const std::int64_t> sides);

/// Computes the class scores of an image larger than a network's input, as the mean over overlapping windows, weighted
/// by window_importance(). The mean is updated window by window (West 1979), in a fixed order; at a position where all
/// windows agree, it is exactly their value. Memory use is that of the scores, the weights, and one pass of the
/// network. Returns [1, classes, sides...] on the CPU.
/// Fails with kInvalidArgument if the network's output isn't one map of scores over its input, or with kCancelled.
/// @param image      [1, channels, sides...] float32 on the network's device, each side at least the network's
/// @param most       windows in one pass of the network, at least 1; fewer if windows are large
/// @param cancelled  called before each pass
Result<at::Tensor> scores_by_windows(const Network& network, const at::Tensor& image, std::int64_t most,
                                     const std::function<bool()>& cancelled);

/// Removes from the scores the padding that Preparation::pad_to_patch() added to an image.
/// @param scores  [n, classes, sides...]
/// @param sides   of the image before; as many as the scores have
[[nodiscard]] at::Tensor without_padding(at::Tensor scores, at::IntArrayRef sides);

}  // namespace consilium::trainer
