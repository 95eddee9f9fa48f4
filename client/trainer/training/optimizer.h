#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "client/trainer/models/parameter_storage.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// Scales gradients whose Euclidean norm exceeds `largest` down to it, as torch.nn.utils.clip_grad_norm_ does: by
/// min(1, largest / (norm + 1e-6)) (Pascanu et al. 2013, algorithm 1).
/// @param gradients  all of a network's, in one flat tensor; changed in place
void clip_gradient_norm(const at::Tensor& gradients, double largest);

/// SGD, Adam or AdamW over a network's flat parameters; every hyper-parameter has PyTorch's meaning. Also applies
/// FedProx's proximal term mu/2 ||w - w_global||^2 (Li et al. 2020, equation 2), which adds mu (w - w_global) to the
/// gradient. On the CPU a step is one pass over memory. Layers can have their own learning rates, like PyTorch's
/// parameter groups. It starts without state: use one object for each round.
class Optimizer {
 public:
  /// @param factors  of the learning rate, by layer
  /// @param storage  must outlive the optimiser; it holds the global model now, the anchor of the proximal term
  Optimizer(const job::OptimizerSpec& spec, const job::RateFactors& factors, double proximal_mu,
            ParameterStorage& storage);

  /// Applies storage.gradients() to storage.trainable().
  void step();

 private:
  /// Adjacent parameters with the same learning rate.
  struct Group {
    std::int64_t begin = 0;
    std::int64_t size = 0;
    double factor = 1.0;
  };
  static std::vector<Group> groups_of(const job::RateFactors& factors, const ParameterStorage& storage);
  void step_on_cpu(const Group& group);
  void step_on_device(const Group& group);
  void sgd_on_device(const Group& group, at::Tensor gradient);
  void adam_on_device(const Group& group, const at::Tensor& gradient);

  job::OptimizerSpec spec_;
  std::vector<Group> groups_;
  double proximal_mu_;
  at::Tensor weights_;
  at::Tensor gradients_;
  at::Tensor anchor_;  ///< undefined without a proximal term
  at::Tensor first_;   ///< momentum buffer, or Adam's first moment
  at::Tensor second_;  ///< Adam's second moment
  std::uint64_t steps_ = 0;
};

}  // namespace consilium::trainer
