#include "client/trainer/models/network.h"

#include <string>
#include <utility>
#include <variant>

#include "client/trainer/models/convolution.h"
#include "client/trainer/models/layers.h"
#include "client/trainer/models/pooling.h"
#include "client/trainer/models/residual_block.h"
#include "common/model/model_parameters.h"

namespace consilium::trainer {
namespace {

using Built = Result<std::unique_ptr<Module>>;

/// Builds the module of one layer; its tensors' names begin with `prefix`.
class ModuleBuilder {
 public:
  ModuleBuilder(ParameterStorage& storage, std::string prefix, bool input_is_ours)
      : storage_(storage), prefix_(std::move(prefix)), input_is_ours_(input_is_ours) {}

  Built operator()(const model::Conv2d& layer) const {
    const std::vector<std::int64_t> shape{layer.out_channels, layer.in_channels, layer.kernel, layer.kernel};
    CONSILIUM_ASSIGN(Parameter weight, take("weight", shape));
    CONSILIUM_ASSIGN(std::optional<Parameter> bias, take_bias(layer.bias, layer.out_channels));
    return std::make_unique<Convolution>(std::move(weight), std::move(bias), layer.stride, layer.padding);
  }
  Built operator()(const model::Linear& layer) const {
    const std::vector<std::int64_t> shape{layer.out_features, layer.in_features};
    CONSILIUM_ASSIGN(Parameter weight, take("weight", shape));
    CONSILIUM_ASSIGN(std::optional<Parameter> bias, take_bias(layer.bias, layer.out_features));
    return std::make_unique<LinearLayer>(std::move(weight), std::move(bias));
  }
  Built operator()(const model::BatchNorm& layer) const {
    const std::vector<std::int64_t> shape{layer.features};
    CONSILIUM_ASSIGN(Parameter weight, take("weight", shape));
    CONSILIUM_ASSIGN(Parameter bias, take("bias", shape));
    CONSILIUM_ASSIGN(Parameter mean, take("running_mean", shape, TensorRole::kBuffer));
    CONSILIUM_ASSIGN(Parameter variance, take("running_var", shape, TensorRole::kBuffer));
    return std::make_unique<BatchNormLayer>(std::move(weight), std::move(bias), std::move(mean), std::move(variance));
  }
  Built operator()(const model::Relu&) const { return std::make_unique<ReluLayer>(input_is_ours_); }
  Built operator()(const model::MaxPool2d& layer) const {
    return std::make_unique<MaxPoolLayer>(layer.kernel, layer.stride, false);
  }
  Built operator()(const model::AvgPool2d& layer) const {
    return std::make_unique<AveragePoolLayer>(layer.kernel, layer.stride);
  }
  Built operator()(const model::GlobalAvgPool2d&) const { return std::make_unique<GlobalAveragePoolLayer>(); }
  Built operator()(const model::Dropout& layer) const { return std::make_unique<DropoutLayer>(layer.probability); }
  Built operator()(const model::Flatten&) const { return std::make_unique<FlattenLayer>(); }

  Built operator()(const model::BasicBlock& block) const {
    auto body = std::make_unique<Chain>();
    CONSILIUM_TRY(append(*body, "conv1", convolution(block.in_channels, block.out_channels, 3, block.stride)));
    CONSILIUM_TRY(append(*body, "bn1", model::BatchNorm{.features = block.out_channels, .spatial = true}));
    CONSILIUM_TRY(append(*body, "relu", model::Relu{}));
    CONSILIUM_TRY(append(*body, "conv2", convolution(block.out_channels, block.out_channels, 3, 1)));
    CONSILIUM_TRY(append(*body, "bn2", model::BatchNorm{.features = block.out_channels, .spatial = true}));
    std::unique_ptr<Chain> shortcut;
    if (block.stride != 1 || block.in_channels != block.out_channels) {
      shortcut = std::make_unique<Chain>();
      CONSILIUM_TRY(
          append(*shortcut, "downsample.0", convolution(block.in_channels, block.out_channels, 1, block.stride)));
      CONSILIUM_TRY(
          append(*shortcut, "downsample.1", model::BatchNorm{.features = block.out_channels, .spatial = true}));
    }
    return std::make_unique<ResidualBlock>(std::move(body), std::move(shortcut));
  }

 private:
  static model::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
    return {.in_channels = in,
            .out_channels = out,
            .kernel = kernel,
            .stride = stride,
            .padding = kernel / 2,
            .bias = false};
  }

  Result<Parameter> take(const char* name, const std::vector<std::int64_t>& shape,
                         TensorRole role = TensorRole::kTrainable) const {
    return storage_.take(prefix_ + "." + name, shape, role);
  }
  Result<std::optional<Parameter>> take_bias(bool present, std::int64_t size) const {
    if (!present) {
      return std::optional<Parameter>();
    }
    CONSILIUM_ASSIGN(Parameter bias, take("bias", {size}));
    return std::optional<Parameter>(std::move(bias));
  }
  template <class Operation>
  Result<void> append(Chain& chain, const char* name, const Operation& operation) const {
    CONSILIUM_ASSIGN(auto module, ModuleBuilder(storage_, prefix_ + "." + name, true)(operation));
    chain.append(std::move(module));
    return {};
  }

  ParameterStorage& storage_;
  std::string prefix_;
  bool input_is_ours_;
};

/// Whether an operation may hand on the very tensor it was given.
bool hands_on_its_input(const model::Operation& operation) {
  return std::holds_alternative<model::Flatten>(operation) || std::holds_alternative<model::Dropout>(operation);
}

}  // namespace

Network::Network(model::ModelSpec spec, ParameterManifest manifest, const at::Device& device)
    : spec_(std::move(spec)), manifest_(std::move(manifest)), device_(device), storage_(manifest_, device) {}

Result<std::unique_ptr<Network>> Network::create(const model::ModelSpec& spec, const at::Device& device) {
  CONSILIUM_ASSIGN(const std::vector<model::Layer> layers, model::expand(spec));
  CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(spec));
  std::unique_ptr<Network> network(new Network(spec, std::move(manifest), device));
  CONSILIUM_TRY(network->build(layers));
  CONSILIUM_TRY(network->storage_.all_taken());
  return network;
}

Result<void> Network::build(const std::vector<model::Layer>& layers) {
  auto chain = std::make_unique<Chain>();
  bool input_is_ours = false;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const model::Operation& operation = layers[i].operation;
    if (std::holds_alternative<model::Relu>(operation) && i + 1 < layers.size()) {
      if (const auto* pool = std::get_if<model::MaxPool2d>(&layers[i + 1].operation)) {
        chain->append(std::make_unique<MaxPoolLayer>(pool->kernel, pool->stride, true));
        input_is_ours = true;
        ++i;
        continue;
      }
    }
    CONSILIUM_ASSIGN(std::unique_ptr<Module> module,
                     std::visit(ModuleBuilder(storage_, layers[i].name, input_is_ours), operation));
    chain->append(std::move(module));
    input_is_ours = input_is_ours || !hands_on_its_input(operation);
  }
  modules_ = std::move(chain);
  return {};
}

at::Tensor Network::forward(const at::Tensor& batch, const Pass& pass) { return modules_->forward(batch, pass); }

void Network::backward(const at::Tensor& gradient) { modules_->backward(gradient, false); }

}  // namespace consilium::trainer
