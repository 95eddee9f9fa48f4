#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "client/trainer/models/network.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Returns where windows begin along one side of an image: evenly spread, at most half a window apart, the first at 0
/// and the last at the end.
/// @param side  at least `window`
[[nodiscard]] std::vector<std::int64_t> window_places(std::int64_t side, std::int64_t window);

/// Computes how much each place of a window counts: a Gaussian around the middle, its standard deviation an eighth of
/// each side (Isensee et al. 2021, nnU-Net), because a network sees least of what surrounds a place at the edge.
/// @param sides  of the window   Returns float32 on the CPU, all > 0
[[nodiscard]] at::Tensor window_importance(std::span<const std::int64_t> sides);

/// Computes the class scores of an image larger than a network's input, as the mean over overlapping windows, weighted
/// by window_importance(). The mean runs along with the windows (West 1979), in a fixed order: where all windows agree
/// on a place, it is exactly what they say. Memory is that of the scores, the weights, and one pass of the network.
/// @param image      [1, channels, sides...] float32 on the network's device, each side at least the network's
/// @param most       windows in one pass of the network, at least 1; large ones are fewer
/// @param cancelled  asked before each pass
/// Returns [1, classes, sides...] on the CPU. Fails with kInvalidArgument where the network isn't one map of scores
/// over its input, kCancelled.
Result<at::Tensor> scores_by_windows(const Network& network, const at::Tensor& image, std::int64_t most,
                                     const std::function<bool()>& cancelled);

/// Cuts the padding off the scores of an image that Preparation::pad_to_patch() has padded.
/// @param scores  [n, classes, sides...]   @param sides  of the image before; as many as the scores have
[[nodiscard]] at::Tensor without_padding(at::Tensor scores, at::IntArrayRef sides);

}  // namespace consilium::trainer
