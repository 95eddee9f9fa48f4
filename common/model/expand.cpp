#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/model/known_models.h"
#include "common/model/layer_tensors.h"
#include "common/model/limits.h"
#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {
namespace {

using Shape = std::vector<std::int64_t>;

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

std::string text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Result<void> check_range(std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return {};
  return refuse(fmt::format("{} must be {} to {}, is {}", name, low, high, value));
}

Result<void> check_image(const Shape& input) {
  if (input.size() == 3) return {};
  return refuse(fmt::format("expected an input of shape [channels, height, width], found {}", text(input)));
}

/// Sizes of height and width after a window slides over them.
Result<Shape> slide(const Shape& input, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                    std::int64_t padding) {
  Shape output{channels};
  for (std::size_t axis = 1; axis < 3; ++axis) {
    const std::int64_t padded = input[axis] + 2 * padding;
    if (padded < kernel) {
      return refuse(fmt::format("a kernel of {0}x{0} doesn't fit into an input of shape {1}", kernel, text(input)));
    }
    output.push_back((padded - kernel) / stride + 1);
  }
  return output;
}

/// Fills in what follows from the input's shape, and returns the output's.
struct ShapeRule {
  const Shape& input;

  Result<Shape> operator()(Conv2d& conv) const {
    CONSILIUM_TRY(check_image(input));
    CONSILIUM_TRY(check_range("channels", conv.out_channels, 1, kMaxWidth));
    CONSILIUM_TRY(check_range("kernel", conv.kernel, 1, kMaxKernel));
    CONSILIUM_TRY(check_range("stride", conv.stride, 1, kMaxKernel));
    CONSILIUM_TRY(check_range("padding", conv.padding, 0, kMaxKernel));
    conv.in_channels = input[0];
    return slide(input, conv.out_channels, conv.kernel, conv.stride, conv.padding);
  }
  Result<Shape> operator()(Linear& linear) const {
    CONSILIUM_TRY(check_range("features", linear.out_features, 1, kMaxWidth));
    linear.in_features = input[0];
    return Shape{linear.out_features};
  }
  Result<Shape> operator()(MaxPool2d& pool) const { return after_pool(pool.kernel, pool.stride); }
  Result<Shape> operator()(AvgPool2d& pool) const { return after_pool(pool.kernel, pool.stride); }
  Result<Shape> operator()(GlobalAvgPool2d& /*pool*/) const {
    CONSILIUM_TRY(check_image(input));
    return Shape{input[0], 1, 1};
  }
  Result<Shape> operator()(BatchNorm& norm) const {
    norm.features = input[0];
    norm.spatial = input.size() == 3;
    return input;
  }
  Result<Shape> operator()(Dropout& dropout) const {
    if (dropout.probability >= 0.0 && dropout.probability < 1.0) return input;
    return refuse(fmt::format("the probability must be at least 0 and below 1, is {}", dropout.probability));
  }
  Result<Shape> operator()(Flatten& /*flatten*/) const {
    std::int64_t size = 1;
    for (const std::int64_t dimension : input) size *= dimension;
    return Shape{size};
  }
  Result<Shape> operator()(BasicBlock& block) const {
    CONSILIUM_TRY(check_image(input));
    CONSILIUM_TRY(check_range("channels", block.out_channels, 1, kMaxWidth));
    CONSILIUM_TRY(check_range("stride", block.stride, 1, kMaxKernel));
    block.in_channels = input[0];
    return slide(input, block.out_channels, 3, block.stride, 1);
  }
  Result<Shape> operator()(Relu& /*relu*/) const { return input; }

  Result<Shape> after_pool(std::int64_t kernel, std::int64_t& stride) const {
    CONSILIUM_TRY(check_image(input));
    if (stride == 0) stride = kernel;
    CONSILIUM_TRY(check_range("kernel", kernel, 1, kMaxKernel));
    CONSILIUM_TRY(check_range("stride", stride, 1, kMaxKernel));
    return slide(input, input[0], kernel, stride, 0);
  }
};

Result<void> check_size(const Shape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension > kMaxActivations / size) {
      return refuse(fmt::format("a shape of {} has more than {} values an example", text(shape), kMaxActivations));
    }
    size *= dimension;
  }
  return {};
}

Result<void> check_ends(const ModelSpec& spec) {
  if (spec.input.size() != 1 && spec.input.size() != 3) {
    return refuse(fmt::format("model.input: expected 1 dimension (features) or 3 (channels, height, width), found {}",
                              text(spec.input)));
  }
  for (std::size_t i = 0; i < spec.input.size(); ++i) {
    CONSILIUM_TRY(check_range(fmt::format("model.input[{}]", i), spec.input[i], 1, kMaxWidth));
  }
  if (auto checked = check_size(spec.input); !checked) return fail(checked.error().within("model.input"));
  return check_range("model.classes", spec.classes, 2, kMaxClasses);
}

Result<std::vector<NamedOperation>> operations_of(const ModelSpec& spec) {
  if (!spec.name.empty()) {
    auto operations = layers_of_known_model(spec);
    if (operations.empty()) {
      return refuse(
          fmt::format("model.name: expected one of {}, found '{}'", fmt::join(known_models(), ", "), spec.name));
    }
    if (!spec.layers.empty()) return refuse("model.layers: a model has a name or layers, not both");
    return operations;
  }
  if (spec.layers.empty()) return refuse("model: expected a name or layers");
  if (spec.layers.size() > kMaxLayers) {
    return refuse(
        fmt::format("model.layers: at most {} layers are accepted, found {}", kMaxLayers, spec.layers.size()));
  }
  std::vector<NamedOperation> operations;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) operations.push_back({std::to_string(i), spec.layers[i]});
  return operations;
}

std::string path_of(const ModelSpec& spec, const NamedOperation& step) {
  if (!spec.name.empty()) return fmt::format("model.name: {}: {}", spec.name, step.name);
  return fmt::format("model.layers[{}].{}", step.name, word_of(step.operation));
}

std::int64_t parameters_of(const Layer& layer) {
  std::int64_t count = 0;
  for (const LayerTensor& tensor : tensors_of(layer)) {
    std::int64_t size = 1;
    for (const std::int64_t dimension : tensor.info.shape) size *= dimension;
    count += size;
  }
  return count;
}

Result<void> append(std::vector<Layer>& layers, std::string name, Operation operation, const Shape& input) {
  CONSILIUM_ASSIGN(Shape output, std::visit(ShapeRule{input}, operation));
  CONSILIUM_TRY(check_size(output));
  layers.push_back({std::move(name), std::move(operation), std::move(output)});
  return {};
}

/// Appends a step, and before a linear layer the flattening that it needs.
Result<void> append_step(std::vector<Layer>& layers, const NamedOperation& step, Shape input) {
  if (std::holds_alternative<Linear>(step.operation) && input.size() != 1) {
    CONSILIUM_TRY(append(layers, "flatten_" + step.name, Flatten{}, input));
    input = layers.back().output;
  }
  return append(layers, step.name, step.operation, input);
}

}  // namespace

Result<std::vector<Layer>> expand(const ModelSpec& spec) {
  CONSILIUM_TRY(check_ends(spec));
  CONSILIUM_ASSIGN(const std::vector<NamedOperation> operations, operations_of(spec));
  std::vector<Layer> layers;
  std::int64_t parameters = 0;
  for (const NamedOperation& step : operations) {
    auto appended = append_step(layers, step, layers.empty() ? spec.input : layers.back().output);
    if (!appended) return fail(appended.error().within(path_of(spec, step)));
    parameters += parameters_of(layers.back());
    if (parameters > static_cast<std::int64_t>(ParameterManifest::kMaxParameters)) {
      return refuse(fmt::format("{}: the model has more than {} parameters", path_of(spec, step),
                                ParameterManifest::kMaxParameters));
    }
  }
  if (layers.back().output != Shape{spec.classes}) {
    return refuse(fmt::format("{}: the last layer must yield one value a class, [{}], but yields {}",
                              path_of(spec, operations.back()), spec.classes, text(layers.back().output)));
  }
  if (parameters == 0) return refuse("model.layers: no layer has parameters to train");
  return layers;
}

}  // namespace consilium::model
