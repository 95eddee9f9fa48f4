#include "common/model/layer_tensors.h"

#include <string>
#include <utility>

namespace consilium::model {
namespace {

using Tensors = std::vector<LayerTensor>;

void add(Tensors& tensors, std::string name, std::vector<std::int64_t> shape, std::int64_t fan_in) {
  tensors.push_back({{std::move(name), std::move(shape), TensorRole::kTrainable, 0, 0}, Initial::kUniform, fan_in});
}

void add_conv(Tensors& tensors, const std::string& prefix, const Conv2d& conv) {
  const std::int64_t fan_in = conv.in_channels * conv.kernel * conv.kernel;
  add(tensors, prefix + ".weight", {conv.out_channels, conv.in_channels, conv.kernel, conv.kernel}, fan_in);
  if (conv.bias) add(tensors, prefix + ".bias", {conv.out_channels}, fan_in);
}

void add_conv(Tensors& tensors, const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  add(tensors, prefix + ".weight", {out, in, kernel, kernel}, in * kernel * kernel);
}

void add_linear(Tensors& tensors, const std::string& prefix, const Linear& linear) {
  add(tensors, prefix + ".weight", {linear.out_features, linear.in_features}, linear.in_features);
  if (linear.bias) add(tensors, prefix + ".bias", {linear.out_features}, linear.in_features);
}

void add_norm(Tensors& tensors, const std::string& prefix, std::int64_t features) {
  const std::vector<std::int64_t> shape{features};
  tensors.push_back({{prefix + ".weight", shape, TensorRole::kTrainable, 0, 0}, Initial::kOne, 0});
  tensors.push_back({{prefix + ".bias", shape, TensorRole::kTrainable, 0, 0}, Initial::kZero, 0});
  tensors.push_back({{prefix + ".running_mean", shape, TensorRole::kBuffer, 0, 0}, Initial::kZero, 0});
  tensors.push_back({{prefix + ".running_var", shape, TensorRole::kBuffer, 0, 0}, Initial::kOne, 0});
}

void add_block(Tensors& tensors, const std::string& prefix, const BasicBlock& block) {
  add_conv(tensors, prefix + ".conv1", block.in_channels, block.out_channels, 3);
  add_norm(tensors, prefix + ".bn1", block.out_channels);
  add_conv(tensors, prefix + ".conv2", block.out_channels, block.out_channels, 3);
  add_norm(tensors, prefix + ".bn2", block.out_channels);
  if (block.stride == 1 && block.in_channels == block.out_channels) return;
  add_conv(tensors, prefix + ".downsample.0", block.in_channels, block.out_channels, 1);
  add_norm(tensors, prefix + ".downsample.1", block.out_channels);
}

}  // namespace

Tensors tensors_of(const Layer& layer) {
  Tensors tensors;
  if (const auto* conv = std::get_if<Conv2d>(&layer.operation)) add_conv(tensors, layer.name, *conv);
  if (const auto* linear = std::get_if<Linear>(&layer.operation)) add_linear(tensors, layer.name, *linear);
  if (const auto* norm = std::get_if<BatchNorm>(&layer.operation)) add_norm(tensors, layer.name, norm->features);
  if (const auto* block = std::get_if<BasicBlock>(&layer.operation)) add_block(tensors, layer.name, *block);
  return tensors;
}

std::string_view word_of(const Operation& operation) {
  static constexpr std::string_view words[] = {"conv",           "linear",    "relu",    "maxpool", "avgpool",
                                               "global_avgpool", "batchnorm", "dropout", "flatten", "basic_block"};
  static_assert(std::size(words) == std::variant_size_v<Operation>);
  return words[operation.index()];
}

}  // namespace consilium::model
