#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "client/trainer/models/parameter_storage.h"
#include "client/trainer/models/step.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::trainer {

/// A model built from its declarative spec, on one device: the steps of its graph, computed under autograd, over one
/// flat vector of parameters. Weights are zero until storage().load(). Not thread-safe.
class Network {
 public:
  /// Builds the steps of expand(spec), and checks every name, shape and role against build_manifest(spec).
  static Result<std::unique_ptr<Network>> create(const model::ModelSpec& spec, const at::Device& device,
                                                 job::Precision precision = job::Precision::kFloat32);

  /// Computes the outputs of a batch, each [N, ...] in float32 whatever the precision. Autograd records the computation
  /// if `pass` is for training.
  /// @param batch  [N, input...] float32 on the network's device; not modified
  std::vector<at::Tensor> forward(const at::Tensor& batch, const Pass& pass) const;
  /// Fills storage().gradients() with the gradient of a loss that was computed from the latest training forward().
  /// @param loss  a scalar
  void backward(const at::Tensor& loss);

  [[nodiscard]] ParameterStorage& storage() { return storage_; }
  [[nodiscard]] const ParameterManifest& manifest() const { return manifest_; }
  [[nodiscard]] const model::ModelSpec& spec() const { return spec_; }
  [[nodiscard]] const at::Device& device() const { return device_; }
  [[nodiscard]] job::Precision precision() const { return precision_; }
  /// Returns the shapes of the outputs for one example.
  [[nodiscard]] const std::vector<model::Shape>& output_shapes() const { return output_shapes_; }

 private:
  Network(model::ModelSpec spec, ParameterManifest manifest, const at::Device& device, job::Precision precision);
  Result<void> build(const model::Graph& graph);
  Result<StepParameters> take_parameters(const model::Layer& layer, bool shared);

  model::ModelSpec spec_;
  ParameterManifest manifest_;
  at::Device device_;
  job::Precision precision_;
  ParameterStorage storage_;
  std::vector<Step> steps_;
  std::vector<std::size_t> outputs_;  ///< indices of values
  std::vector<model::Shape> output_shapes_;
  std::vector<at::Tensor> summed_gradients_;  ///< the gradients that autograd adds to; zeroed before each step
};

}  // namespace consilium::trainer
