#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "client/trainer/models/parameter_storage.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// Scales gradients whose Euclidean norm is above `largest` down to it, as torch.nn.utils.clip_grad_norm_ does: by
/// min(1, largest / (norm + 1e-6)) (Pascanu et al. 2013, algorithm 1).
/// @param gradients  all of a network's, in one flat tensor; changed in place
void clip_gradient_norm(const at::Tensor& gradients, double largest);

/// SGD, Adam or AdamW over a network's flat parameters, with PyTorch's meaning of every number, and FedProx's proximal
/// term mu/2 ||w - w_global||^2 (Li et al. 2020, equation 2), which adds mu (w - w_global) to the gradient. On the CPU
/// a step is one pass over memory. Starts fresh: one object a round.
class Optimizer {
 public:
  /// @param storage  outlives the optimiser and holds the global model now: the anchor of the proximal term
  Optimizer(const job::OptimizerSpec& spec, double proximal_mu, ParameterStorage& storage);

  /// Applies storage.gradients() to storage.trainable().
  void step();

 private:
  void step_on_cpu();
  void step_on_device();
  void sgd_on_device(at::Tensor gradient);
  void adam_on_device(at::Tensor gradient);

  job::OptimizerSpec spec_;
  double proximal_mu_;
  at::Tensor weights_;
  at::Tensor gradients_;
  at::Tensor anchor_;  ///< undefined without a proximal term
  at::Tensor first_;   ///< momentum buffer, or Adam's first moment
  at::Tensor second_;  ///< Adam's second moment
  std::uint64_t steps_ = 0;
};

}  // namespace consilium::trainer
