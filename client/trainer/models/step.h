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

/// What one pass through a network is for.
struct Pass {
  bool training = false;                   ///< dropout and batch statistics on; gradients are wanted
  std::optional<at::Generator> generator;  ///< of the network's device; dropout draws from it
};

/// The parameters and buffers of a step: views into the network's flat storage, undefined where it has none.
struct StepParameters {
  DirectParameter weight;
  DirectParameter bias;
  at::Tensor running_mean;
  at::Tensor running_variance;
  /// Nobody else uses weight and bias: a kernel may write their gradients, and autograd doesn't add to them.
  bool direct = false;
  /// Nothing of them changes: a batch norm computes with its running statistics, in training too.
  bool frozen = false;
};

/// One step of a network: an operation on values that earlier steps yielded.
struct Step {
  model::Operation operation;
  std::vector<std::size_t> inputs;  ///< as model::Layer has them
  StepParameters parameters;
  bool in_place = false;               ///< the first input is used by nobody else, not by its own backward either
  bool rectify = false;                ///< a max pool with the relu that stands before it
  std::vector<std::size_t> last_uses;  ///< values that no later step uses
  job::Precision precision = job::Precision::kFloat32;
  bool channels_last = false;  ///< convolutions compute on images with their channels last, and yield such
};

/// Whether a kernel computes this layer and writes its gradients itself, where it is the only user of its parameters.
[[nodiscard]] bool has_direct_kernel(const model::Operation& operation, const at::Device& device,
                                     job::Precision precision);

/// Whether this pool is computed by max_pool_on_cpu().
[[nodiscard]] bool has_pool_kernel(const model::MaxPool& pool, const at::Device& device, job::Precision precision);

/// Computes a step. Batches are [N, ...], of the step's precision.
at::Tensor run(const Step& step, std::span<const at::Tensor> inputs, const Pass& pass);

}  // namespace consilium::trainer
