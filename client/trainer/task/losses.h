#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "client/trainer/task/surface_distance.h"
#include "common/task/task_spec.h"

/// Losses of logits [n, classes, ...], one number for each example, [n]: the mean over all dimensions of an example
/// except its classes. Autograd can differentiate all of them. Class weights multiply terms, and the result isn't
/// divided by their sum, so that a site's mean doesn't depend on which classes happen to be in a batch.
namespace consilium::trainer {

/// Computes cross entropy with class weights and label smoothing, like PyTorch's with reduction="none".
/// @param classes  [n, ...] int64
at::Tensor cross_entropy_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec);
/// Computes the focal loss for one class out of several (Lin et al. 2017): w_y (1 - p_y)^gamma (-log p_y).
at::Tensor focal_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec);
/// Computes the binary cross entropy of each label independently; weights are PyTorch's pos_weight.
/// @param labels  same shape as logits, 0 or 1
at::Tensor binary_cross_entropy_losses(const at::Tensor& logits, const at::Tensor& labels, const task::LossSpec& spec);
/// Computes the focal loss of each label independently, like torchvision's sigmoid_focal_loss without reduction. The
/// result has the shape of the logits.
at::Tensor sigmoid_focal(const at::Tensor& logits, const at::Tensor& labels, const task::LossSpec& spec);
/// Computes Dice loss + cross entropy: dice_weight (1 - mean over the classes except the background of the soft Dice
/// coefficient (2 sum p g + 1e-5) / (sum p + sum g + 1e-5)) + cross entropy.
at::Tensor dice_cross_entropy_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec);

/// Returns the grid of one example's map, [height, width] or [depth, height, width].
/// @param spacing  of a voxel along each dimension; undefined: 1
Grid grid_of(const at::Tensor& map, const at::Tensor& spacing);
/// Computes the boundary loss (Kervadec et al. 2019, "Boundary loss for highly unbalanced segmentation", equation 5):
/// the mean of p phi over pixels and over the classes except the background. phi is the signed distance to the true
/// structure, so a prediction counts more the farther it is from the true boundary. Distances are in the spacing's
/// units.
/// @param spacing  as Target::spacing
at::Tensor boundary_losses(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& spacing);
/// Computes the volume loss (Kervadec et al. 2019, "Constrained-CNN losses for weakly supervised segmentation",
/// equation 2). For each range [a, b], it is the square of the distance from the soft volume, the sum of p, to the
/// range. Here the distance is a fraction of b, so that a large structure weighs as much as a small one. The result is
/// the mean over the ranges; a class that is absent from an image's ground truth contributes 0.
at::Tensor volume_losses(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& spacing,
                         const std::vector<task::VolumeRange>& ranges);

}  // namespace consilium::trainer
