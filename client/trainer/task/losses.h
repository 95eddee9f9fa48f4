#pragma once

#include <ATen/ATen.h>

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

}  // namespace consilium::trainer
