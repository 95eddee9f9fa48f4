#include "common/model/layer_tensors.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace consilium::model {
namespace {

using Tensors = std::vector<LayerTensor>;

// A uniform distribution within +-0.01 * sqrt(3) has the standard deviation 0.01; -log(99) is the logit of 0.01.
constexpr float kHeadBound = 0.017320508F;
constexpr float kPriorBias = -4.5951199F;

/// PyTorch's default: U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
Initial by_fan_in(std::int64_t fan_in) { return {static_cast<float>(1.0 / std::sqrt(static_cast<double>(fan_in))), 0}; }

class TensorList {
 public:
  explicit TensorList(const Layer& layer) : prefix_(layer.name), frozen_(layer.frozen), local_(layer.local) {}

  void operator()(const Conv& conv) {
    std::vector<std::int64_t> shape{conv.out_channels, conv.in_channels};
    append_window(shape, conv.kernel);
    Initial weight = by_fan_in(product(shape) / conv.out_channels);
    Initial bias = weight;
    if (conv.start != Start::kDefault) {
      weight = {kHeadBound, 0};
      bias = {0, conv.start == Start::kDetectorPrior ? kPriorBias : 0.0F};
    }
    add("weight", std::move(shape), weight);
    if (conv.bias) add("bias", {conv.out_channels}, bias);
  }
  void operator()(const TransposedConv& conv) {
    std::vector<std::int64_t> shape{conv.in_channels, conv.out_channels};
    append_window(shape, conv.kernel);
    const Initial initial = by_fan_in(product(shape) / conv.in_channels);  // PyTorch's fan-in here
    add("weight", std::move(shape), initial);
    if (conv.bias) add("bias", {conv.out_channels}, initial);
  }
  void operator()(const Linear& linear) {
    const Initial initial = by_fan_in(linear.in_features);
    add("weight", {linear.out_features, linear.in_features}, initial);
    if (linear.bias) add("bias", {linear.out_features}, initial);
  }
  void operator()(const BatchNorm& norm) {
    add_affine(norm.features);
    add("running_mean", {norm.features}, {0, 0}, TensorRole::kBuffer);
    add("running_var", {norm.features}, {0, 1}, TensorRole::kBuffer);
  }
  void operator()(const GroupNorm& norm) { add_affine(norm.features); }
  void operator()(const InstanceNorm& norm) { add_affine(norm.features); }
  template <class Other>
  void operator()(const Other& /*has no parameters*/) {}

  [[nodiscard]] Tensors take() { return std::move(tensors_); }

 private:
  void add(const char* name, std::vector<std::int64_t> shape, Initial initial,
           TensorRole role = TensorRole::kTrainable) {
    tensors_.push_back({{prefix_ + "." + name, std::move(shape), role, 0, 0, frozen_, local_}, initial});
  }
  void add_affine(std::int64_t features) {
    add("weight", {features}, {0, 1});
    add("bias", {features}, {0, 0});
  }
  /// Appends the kernel's sizes, which expand() has filled in for each dimension.
  static void append_window(std::vector<std::int64_t>& shape, const Sides& kernel) {
    shape.insert(shape.end(), kernel.begin(), kernel.end());
  }
  static std::int64_t product(const std::vector<std::int64_t>& shape) {
    std::int64_t size = 1;
    for (const std::int64_t dimension : shape) size *= dimension;
    return size;
  }

  const std::string& prefix_;
  bool frozen_, local_;
  Tensors tensors_;
};

}  // namespace

Tensors tensors_of(const Layer& layer) {
  TensorList list(layer);
  std::visit(list, layer.operation);
  return list.take();
}

std::span<const std::string_view> operation_words() {
  static constexpr std::array<std::string_view, std::variant_size_v<Operation>> words{
      "conv",         "linear",   "relu",          "maxpool",     "avgpool",         "global_avgpool",
      "batchnorm",    "dropout",  "flatten",       "basic_block", "transposed_conv", "groupnorm",
      "instancenorm", "upsample", "upsample_like", "add",         "concat"};
  return words;
}

std::string_view word_of(const Operation& operation) { return operation_words()[operation.index()]; }

}  // namespace consilium::model
