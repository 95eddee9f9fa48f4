#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "client/trainer/task/surface_distance.h"
#include "common/task/task_spec.h"

/// Losses of logits [n, classes, ...], one number for each example, [n]: the mean over whatever an example has beside
/// its classes. All are differentiable by autograd. Class weights multiply terms and do not divide by their sum, so
/// that a site's mean does not depend on which classes happen to be in a batch.
namespace consilium::trainer {

/// Cross entropy with class weights and label smoothing, as PyTorch's with reduction="none".
/// @param classes  [n, ...] int64
at::Tensor cross_entropy_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec);
/// Focal loss of one class in several (Lin et al. 2017): w_y (1 - p_y)^gamma (-log p_y).
at::Tensor focal_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec);
/// Binary cross entropy of each label by itself; weights are PyTorch's pos_weight.
/// @param labels  as logits, 0 or 1
at::Tensor binary_cross_entropy_losses(const at::Tensor& logits, const at::Tensor& labels, const task::LossSpec& spec);
/// Focal loss of each label by itself, as torchvision's sigmoid_focal_loss, not reduced: as logits.
at::Tensor sigmoid_focal(const at::Tensor& logits, const at::Tensor& labels, const task::LossSpec& spec);
/// Dice loss + cross entropy: dice_weight (1 - mean over the classes but the background of the soft Dice coefficient
/// (2 sum p g + 1e-5) / (sum p + sum g + 1e-5)) + cross entropy.
at::Tensor dice_cross_entropy_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec);

/// The grid of one example's map, [height, width] or [depth, height, width].
/// @param spacing  of a voxel along each dimension; undefined: 1
Grid grid_of(const at::Tensor& map, const at::Tensor& spacing);
/// Boundary loss (Kervadec et al. 2019, "Boundary loss for highly unbalanced segmentation", equation 5): the mean over
/// pixels and over the classes but the background of p phi, phi being the signed distance to the true structure. It
/// counts what is predicted far from the true boundary by how far that is. Distances are in the spacing's units.
/// @param spacing  as Target::spacing
at::Tensor boundary_losses(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& spacing);
/// Volume loss (Kervadec et al. 2019, "Constrained-CNN losses for weakly supervised segmentation", equation 2): for
/// each range [a, b] the square of how far the soft volume, the sum of p, lies outside of it; here in shares of b, so
/// that a large structure weighs as much as a small one. Mean over the ranges; 0 for a class that an image's truth
/// hasn't.
at::Tensor volume_losses(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& spacing,
                         const std::vector<task::VolumeRange>& ranges);

}  // namespace consilium::trainer
