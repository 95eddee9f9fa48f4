#include "client/trainer/models/network.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "common/model/layer_tensors.h"
#include "common/model/model_parameters.h"

namespace consilium::trainer {
namespace {

/// Returns how often each value of a graph is used; being an output counts as a use.
std::vector<int> count_uses(const model::Graph& graph) {
  std::vector<int> uses(graph.layers.size() + 1, 0);
  for (const model::Layer& layer : graph.layers) {
    for (const std::size_t input : layer.inputs) ++uses[input];
  }
  for (const std::size_t output : graph.outputs) ++uses[output + 1];
  return uses;
}

/// Returns true if the backward pass of an operation doesn't need its output, so that the next step may overwrite it.
bool yields_freely(const model::Operation& operation) {
  return std::holds_alternative<model::Conv>(operation) || std::holds_alternative<model::TransposedConv>(operation) ||
         std::holds_alternative<model::Linear>(operation) || std::holds_alternative<model::BatchNorm>(operation) ||
         std::holds_alternative<model::GroupNorm>(operation) ||
         std::holds_alternative<model::InstanceNorm>(operation) || std::holds_alternative<model::Add>(operation);
}

bool may_overwrite(const model::Graph& graph, const std::vector<int>& uses, const model::Layer& layer) {
  const std::size_t input = layer.inputs[0];
  const bool overwrites =
      std::holds_alternative<model::Relu>(layer.operation) || std::holds_alternative<model::Add>(layer.operation);
  return overwrites && input != 0 && uses[input] == 1 && yields_freely(graph.layers[input - 1].operation);
}

/// Returns true if a relu is computed by the max pool that is its only user.
bool is_absorbed(const model::Graph& graph, const std::vector<int>& uses, std::size_t index, const at::Device& device,
                 job::Precision precision) {
  if (!std::holds_alternative<model::Relu>(graph.layers[index].operation) || uses[index + 1] != 1) return false;
  return std::ranges::any_of(graph.layers, [&](const model::Layer& layer) {
    const auto* pool = std::get_if<model::MaxPool>(&layer.operation);
    return pool != nullptr && layer.inputs[0] == index + 1 && has_pool_kernel(*pool, device, precision);
  });
}

/// Returns true if images should be stored with their channels last. This makes LibTorch's convolutions and batch
/// normalisation faster, but its group normalisation up to thirty times slower, and the pooling kernel here needs
/// planes. Networks that concatenate channels keep the channels first, because they weren't measured.
bool gains_by_channels_last(const model::Graph& graph, const at::Device& device, job::Precision precision) {
  return std::ranges::none_of(graph.layers, [&](const model::Layer& layer) {
    const auto* pool = std::get_if<model::MaxPool>(&layer.operation);
    return std::holds_alternative<model::GroupNorm>(layer.operation) ||
           std::holds_alternative<model::InstanceNorm>(layer.operation) ||
           std::holds_alternative<model::Concat>(layer.operation) ||
           (pool != nullptr && has_pool_kernel(*pool, device, precision));
  });
}

}  // namespace

Network::Network(model::ModelSpec spec, ParameterManifest manifest, const at::Device& device, job::Precision precision)
    : spec_(std::move(spec)),
      manifest_(std::move(manifest)),
      device_(device),
      precision_(precision),
      storage_(manifest_, device) {}

Result<std::unique_ptr<Network>> Network::create(const model::ModelSpec& spec, const at::Device& device,
                                                 job::Precision precision) {
  const c10::InferenceMode off(false);  // tensors that are created in inference mode can't take part in autograd
  CONSILIUM_ASSIGN(const model::Graph graph, model::expand(spec));
  CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(spec));
  std::unique_ptr<Network> network(new Network(spec, std::move(manifest), device, precision));
  CONSILIUM_TRY(network->build(graph));
  CONSILIUM_TRY(network->storage_.all_taken());
  return network;
}

Result<void> Network::build(const model::Graph& graph) {
  const std::vector<int> uses = count_uses(graph);
  const bool channels_last = gains_by_channels_last(graph, device_, precision_);
  std::vector<int> owners(graph.layers.size(), 0);
  for (const model::Layer& layer : graph.layers) ++owners[layer.owner];
  std::vector<std::size_t> values{0};  // the step value for each value of the graph
  std::vector<std::size_t> steps_of(graph.layers.size(), 0);
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const model::Layer& layer = graph.layers[i];
    if (is_absorbed(graph, uses, i, device_, precision_)) {
      values.push_back(values[layer.inputs[0]]);
      continue;
    }
    Step step{layer.operation, {}, {}, may_overwrite(graph, uses, layer), false, {}, precision_, channels_last};
    for (const std::size_t input : layer.inputs) step.inputs.push_back(values[input]);
    const std::size_t first = layer.inputs[0];
    step.rectify = first != 0 && is_absorbed(graph, uses, first - 1, device_, precision_);
    if (layer.owner == i) {
      CONSILIUM_ASSIGN(step.parameters, take_parameters(layer, owners[i] > 1));
    } else {
      step.parameters = steps_[steps_of[layer.owner]].parameters;
    }
    steps_of[i] = steps_.size();
    steps_.push_back(std::move(step));
    values.push_back(steps_.size());
  }
  for (const std::size_t output : graph.outputs) outputs_.push_back(values[output + 1]);
  output_shapes_ = graph.output_shapes();
  // A value is released after the last step that uses it.
  std::vector<bool> needed(steps_.size() + 1, false);
  for (const std::size_t output : outputs_) needed[output] = true;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    for (const std::size_t input : steps_[i].inputs) {
      if (!needed[input]) steps_[i].last_uses.push_back(input);
      needed[input] = true;
    }
  }
  return {};
}

Result<StepParameters> Network::take_parameters(const model::Layer& layer, bool shared) {
  StepParameters own;
  own.frozen = layer.frozen;
  own.direct = !shared && !layer.frozen && has_direct_kernel(layer.operation, device_, precision_);
  for (const model::LayerTensor& tensor : model::tensors_of(layer)) {
    CONSILIUM_ASSIGN(Parameter parameter, storage_.take(tensor.info.name, tensor.info.shape, tensor.info.role));
    const std::string_view kind = std::string_view(tensor.info.name).substr(layer.name.size() + 1);
    if (parameter.gradient.defined()) {
      parameter.value.set_requires_grad(true);
      if (!own.direct) {
        parameter.value.mutable_grad() = parameter.gradient;
        summed_gradients_.push_back(parameter.gradient);
      }
    }
    if (kind == "weight") own.weight = {parameter.value, parameter.gradient};
    if (kind == "bias") own.bias = {parameter.value, parameter.gradient};
    if (kind == "running_mean") own.running_mean = parameter.value;
    if (kind == "running_var") own.running_variance = parameter.value;
  }
  return own;
}

std::vector<at::Tensor> Network::forward(const at::Tensor& batch, const Pass& pass) const {
  const at::AutoGradMode recorded(pass.training);
  std::vector<at::Tensor> values(steps_.size() + 1);
  values[0] = precision_ == job::Precision::kFloat32 ? batch : batch.to(at::kBFloat16);
  std::vector<at::Tensor> inputs;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    inputs.clear();
    for (const std::size_t input : steps_[i].inputs) inputs.push_back(values[input]);
    for (const std::size_t value : steps_[i].last_uses) values[value].reset();
    values[i + 1] = run(steps_[i], inputs, pass);
  }
  std::vector<at::Tensor> outputs;
  for (const std::size_t output : outputs_) outputs.push_back(values[output].to(at::kFloat));
  return outputs;
}

void Network::backward(const at::Tensor& loss) {
  for (at::Tensor& gradient : summed_gradients_) gradient.zero_();
  loss.backward();
}

}  // namespace consilium::trainer
