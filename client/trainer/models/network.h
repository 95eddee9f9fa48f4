#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "client/trainer/models/module.h"
#include "client/trainer/models/parameter_storage.h"
#include "common/error/error.h"
#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::trainer {

/// A model as its declarative spec says, on one device: modules over one flat vector of parameters. Weights are zero
/// until storage().load(). Not thread-safe; call under c10::InferenceMode.
class Network {
 public:
  /// Builds the modules of expand(spec) and checks every name, shape and role against build_manifest(spec).
  static Result<std::unique_ptr<Network>> create(const model::ModelSpec& spec, const at::Device& device);

  /// @param batch  [N, input...] float32 on the network's device; stays as it is
  /// @return logits [N, classes]
  at::Tensor forward(const at::Tensor& batch, const Pass& pass);
  /// Fills storage().gradients() for the latest training forward(). @param gradient d loss / d logits; may be
  /// overwritten
  void backward(const at::Tensor& gradient);

  [[nodiscard]] ParameterStorage& storage() { return storage_; }
  [[nodiscard]] const ParameterManifest& manifest() const { return manifest_; }
  [[nodiscard]] const model::ModelSpec& spec() const { return spec_; }
  [[nodiscard]] const at::Device& device() const { return device_; }

 private:
  Network(model::ModelSpec spec, ParameterManifest manifest, const at::Device& device);
  Result<void> build(const std::vector<model::Layer>& layers);

  model::ModelSpec spec_;
  ParameterManifest manifest_;
  at::Device device_;
  ParameterStorage storage_;
  std::unique_ptr<Module> modules_;
};

}  // namespace consilium::trainer
