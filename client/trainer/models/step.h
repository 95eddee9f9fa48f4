#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "client/trainer/models/kernel_functions.h"
#include "common/job/job_spec.h"
#include "common/model/model_spec.h"

namespace consilium::trainer {

/// The purpose of one pass through a network.
struct Pass {
  bool training = false;                   ///< dropout and batch statistics are on, and gradients are needed
  std::optional<at::Generator> generator;  ///< on the network's device; dropout draws from it
};

/// The parameters and buffers of a step: views into the network's flat storage, undefined if the step has none.
struct StepParameters {
  DirectParameter weight;
  DirectParameter bias;
  at::Tensor running_mean;
  at::Tensor running_variance;
  /// No other step uses weight and bias, so a kernel may write their gradients, and autograd doesn't add to them.
  bool direct = false;
  /// None of them change: even in training, a batch norm computes with its running statistics.
  bool frozen = false;
};

/// One step of a network: an operation on values that earlier steps computed.
struct Step {
  model::Operation operation;
  std::vector<std::size_t> inputs;  ///< indices of values, as in model::Layer
  StepParameters parameters;
  bool in_place = false;  ///< the first input is used by no other step, and not by its own backward pass either
  bool rectify = false;   ///< a max pool that includes the relu before it
  std::vector<std::size_t> last_uses;  ///< values that no later step uses
  job::Precision precision = job::Precision::kFloat32;
  bool channels_last = false;  ///< convolutions take and give images whose channels come last in memory
};

/// Returns true if a kernel computes this layer and writes its gradients itself, provided that the layer is the only
/// user of its parameters.
[[nodiscard]] bool has_direct_kernel(const model::Operation& operation, const at::Device& device,
                                     job::Precision precision);

/// Returns true if max_pool_on_cpu() computes this pool.
[[nodiscard]] bool has_pool_kernel(const model::MaxPool& pool, const at::Device& device, job::Precision precision);

/// Computes a step. Batches are [N, ...], in the step's precision.
at::Tensor run(const Step& step, std::span<const at::Tensor> inputs, const Pass& pass);

}  // namespace consilium::trainer
