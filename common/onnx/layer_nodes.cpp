#include "common/onnx/layer_nodes.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <variant>

namespace consilium::onnx {
namespace {

constexpr float kNormEpsilon = 1e-5F;

using Names = std::vector<std::string>;

/// Has a call operator for each operation, so that a new operation doesn't compile until it's added here.
class LayerNodes {
 public:
  LayerNodes(GraphBuilder& graph, const LayerPlace& place)
      : graph_(graph), place_(place), input_(place.inputs.front()) {}

  Result<void> operator()(const model::Conv& conv) {
    ::onnx::NodeProto& node = add("Conv", with_parameters(conv.bias));
    set(node, "kernel_shape", conv.kernel);
    set(node, "strides", conv.stride);
    set(node, "pads", at_both_ends(conv.padding));
    return {};
  }
  Result<void> operator()(const model::TransposedConv& conv) {
    ::onnx::NodeProto& node = add("ConvTranspose", with_parameters(conv.bias));
    set(node, "kernel_shape", conv.kernel);
    set(node, "strides", conv.stride);
    return {};
  }
  Result<void> operator()(const model::Linear& linear) {
    set(add("Gemm", with_parameters(linear.bias)), "transB", std::int64_t{1});
    return {};
  }
  Result<void> operator()(const model::Relu& /*relu*/) { return simple("Relu"); }
  Result<void> operator()(const model::MaxPool& pool) {
    ::onnx::NodeProto& node = add("MaxPool", {input_.name});
    set(node, "kernel_shape", pool.kernel);
    set(node, "strides", pool.stride);
    set(node, "pads", at_both_ends(pool.padding));
    return {};
  }
  Result<void> operator()(const model::AvgPool& pool) {
    ::onnx::NodeProto& node = add("AveragePool", {input_.name});
    set(node, "kernel_shape", pool.kernel);
    set(node, "strides", pool.stride);
    return {};
  }
  Result<void> operator()(const model::GlobalAvgPool& /*pool*/) { return simple("GlobalAveragePool"); }
  Result<void> operator()(const model::BatchNorm& /*norm*/) {
    ::onnx::NodeProto& node = add("BatchNormalization", {input_.name, parameter("weight"), parameter("bias"),
                                                         parameter("running_mean"), parameter("running_var")});
    set(node, "epsilon", kNormEpsilon);
    return {};
  }
  /// ONNX has group normalisation only from opset 18 on. So each group is reshaped to one channel and normalised by
  /// instance normalisation.
  Result<void> operator()(const model::GroupNorm& norm) {
    const std::vector<std::int64_t> grouped{0, norm.groups, -1};  // 0: the batch dimension keeps its size
    std::vector<std::int64_t> whole{0};
    whole.insert(whole.end(), input_.shape.begin(), input_.shape.end());
    const std::vector<float> ones(static_cast<std::size_t>(norm.groups), 1.0F);
    const std::vector<float> zeros(ones.size(), 0.0F);
    const std::int64_t groups = norm.groups;
    const std::string one = graph_.tensor(inner("one"), std::span(&groups, 1), ones);
    const std::string zero = graph_.tensor(inner("zero"), std::span(&groups, 1), zeros);
    const std::string groups_apart = add_inner("Reshape", "groups", {input_.name, integers("grouped", grouped)});
    Names normed{groups_apart, one, zero};
    set(graph_.node("InstanceNormalization", normed, inner("normed")), "epsilon", kNormEpsilon);
    const std::string channels = add_inner("Reshape", "channels", {inner("normed"), integers("whole", whole)});
    const std::string scaled = add_inner("Mul", "scaled", {channels, by_channel("weight")});
    add("Add", {scaled, by_channel("bias")});
    return {};
  }
  Result<void> operator()(const model::InstanceNorm& /*norm*/) {
    set(add("InstanceNormalization", {input_.name, parameter("weight"), parameter("bias")}), "epsilon", kNormEpsilon);
    return {};
  }
  Result<void> operator()(const model::Dropout& /*off when a model is used*/) { return simple("Identity"); }
  Result<void> operator()(const model::Flatten& /*flatten*/) {
    set(add("Flatten", {input_.name}), "axis", std::int64_t{1});
    return {};
  }
  /// With integer factors, the rule for positions gives the same positions as PyTorch's.
  Result<void> operator()(const model::Upsample& upsample) {
    std::vector<float> factors(input_.shape.size() + 1, static_cast<float>(upsample.factor));
    factors[0] = factors[1] = 1.0F;
    const auto count = static_cast<std::int64_t>(factors.size());
    const std::string scales = graph_.tensor(inner("scales"), std::span(&count, 1), factors);
    ::onnx::NodeProto& node = add("Resize", {input_.name, "", scales});
    set(node, "mode", std::string_view(upsample.nearest ? "nearest" : "linear"));
    set(node, "coordinate_transformation_mode", std::string_view(upsample.nearest ? "asymmetric" : "half_pixel"));
    if (upsample.nearest) set(node, "nearest_mode", std::string_view("floor"));
    return {};
  }
  /// Here sides may have any ratio. Resize divides by the ratio whereas PyTorch multiplies by its inverse, so that for
  /// some ratios, e.g. from 2 to 82, they copy different positions. So each side is gathered by PyTorch's exact
  /// positions.
  Result<void> operator()(const model::UpsampleLike& /*upsample*/) {
    const model::Shape& to = place_.layer.output;
    std::string value = input_.name;
    for (std::size_t side = 1; side < to.size(); ++side) {
      const std::string axis = std::to_string(side + 1);
      const Names inputs{value, integers("positions" + axis, nearest_positions(input_.shape[side], to[side]))};
      value = side + 1 == to.size() ? place_.output : inner("side" + axis);
      set(graph_.node("Gather", inputs, value), "axis", static_cast<std::int64_t>(side + 1));
    }
    return {};
  }
  /// Adds from left to right, as the trainer does.
  Result<void> operator()(const model::Add& /*add*/) {
    std::string sum = input_.name;
    for (std::size_t i = 1; i < place_.inputs.size(); ++i) {
      const bool last = i + 1 == place_.inputs.size();
      const Names inputs{sum, place_.inputs[i].name};
      sum = last ? place_.output : inner("sum" + std::to_string(i));
      graph_.node("Add", inputs, sum);
    }
    return {};
  }
  Result<void> operator()(const model::Concat& /*concat*/) {
    Names inputs;
    for (const NamedShape& input : place_.inputs) inputs.push_back(input.name);
    set(add("Concat", inputs), "axis", std::int64_t{1});
    return {};
  }
  Result<void> operator()(const model::BasicBlock& /*block*/) {
    return fail(ErrorCode::kInternal, "layer '" + place_.layer.name + "': a basic_block was not expanded");
  }

 private:
  ::onnx::NodeProto& add(std::string_view operation, const Names& inputs) {
    return graph_.node(operation, inputs, place_.output);
  }
  Result<void> simple(std::string_view operation) {
    add(operation, {input_.name});
    return {};
  }
  /// Adds a node whose value is used only within the layer, and returns that value's name.
  std::string add_inner(std::string_view operation, const std::string& name, const Names& inputs) {
    graph_.node(operation, inputs, inner(name));
    return inner(name);
  }
  [[nodiscard]] std::string inner(const std::string& name) const { return place_.output + "/" + name; }
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values) {
    return graph_.tensor(inner(name), values);
  }
  [[nodiscard]] std::string parameter(const char* kind) const { return place_.owner + "." + kind; }
  [[nodiscard]] Names with_parameters(bool bias) const {
    Names inputs{input_.name, parameter("weight")};
    if (bias) inputs.push_back(parameter("bias"));
    return inputs;
  }
  /// Reshapes a parameter with one value a channel from [C] to [C, 1, ...], so that it multiplies every position of an
  /// image.
  std::string by_channel(const char* kind) {
    if (input_.shape.size() == 1) return parameter(kind);
    std::vector<std::int64_t> shape(input_.shape.size(), 1);
    shape[0] = input_.shape[0];
    const std::string name = std::string(kind) + "_by_channel";
    return add_inner("Reshape", name, {parameter(kind), integers(std::string(kind) + "_shape", shape)});
  }
  /// ONNX lists the padding before each side first, then the padding after each side.
  static model::Sides at_both_ends(const model::Sides& padding) {
    model::Sides both = padding;
    both.insert(both.end(), padding.begin(), padding.end());
    return both;
  }

  GraphBuilder& graph_;
  const LayerPlace& place_;
  const NamedShape& input_;
};

}  // namespace

Result<void> append_layer(GraphBuilder& graph, const LayerPlace& place) {
  return std::visit(LayerNodes(graph, place), place.layer.operation);
}

std::vector<std::int64_t> nearest_positions(std::int64_t from, std::int64_t to) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  std::vector<std::int64_t> positions(static_cast<std::size_t>(to));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto position = static_cast<std::int64_t>(std::floor(static_cast<float>(i) * scale));
    positions[i] = std::min(position, from - 1);
  }
  return positions;
}

}  // namespace consilium::onnx
