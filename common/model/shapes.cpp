#include "common/model/shapes.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "common/model/limits.h"

namespace consilium::model {
namespace {

Result<void> check_range(std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return {};
  return refuse(fmt::format("{} must be {} to {}, is {}", name, low, high, value));
}

Result<void> check_image(const Shape& input) {
  if (input.size() == 3 || input.size() == 4) return {};
  return refuse(
      fmt::format("expected an input of shape [channels, height, width] or [channels, depth, height, width], found {}",
                  text(input)));
}

/// Checks the sizes along the dimensions of an image with `dimensions` dimensions.
Result<void> check_sides(std::string_view name, const Sides& sides, std::size_t dimensions, std::int64_t low) {
  if (sides.size() != 1 && sides.size() != dimensions) {
    return refuse(fmt::format("{} has {} sizes, the image has {} dimensions", name, sides.size(), dimensions));
  }
  for (const std::int64_t side : sides) CONSILIUM_TRY(check_range(name, side, low, kMaxKernel));
  return {};
}

std::int64_t along(const Sides& sides, std::size_t dimension) {
  return sides.size() == 1 ? sides[0] : sides[dimension];
}

/// Returns the shape of an image after a window slides over it.
Result<Shape> slide(const Shape& input, std::int64_t channels, const Sides& kernel, const Sides& stride,
                    const Sides& padding) {
  const std::size_t dimensions = input.size() - 1;
  CONSILIUM_TRY(check_sides("kernel", kernel, dimensions, 1));
  CONSILIUM_TRY(check_sides("stride", stride, dimensions, 1));
  CONSILIUM_TRY(check_sides("padding", padding, dimensions, 0));
  Shape output{channels};
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::int64_t padded = input[d + 1] + 2 * along(padding, d);
    if (padded < along(kernel, d)) {
      std::vector<std::int64_t> window(dimensions);
      for (std::size_t i = 0; i < dimensions; ++i) window[i] = along(kernel, i);
      return refuse(
          fmt::format("a kernel of {} doesn't fit into an input of shape {}", fmt::join(window, "x"), text(input)));
    }
    output.push_back((padded - along(kernel, d)) / along(stride, d) + 1);
  }
  return output;
}

struct ShapeRule {
  std::span<const Shape> inputs;
  const Shape& input = inputs[0];

  Result<Shape> operator()(Conv& conv) const {
    CONSILIUM_TRY(check_image(input));
    CONSILIUM_TRY(check_range("channels", conv.out_channels, 1, kMaxWidth));
    conv.in_channels = input[0];
    return slide(input, conv.out_channels, conv.kernel, conv.stride, conv.padding);
  }
  Result<Shape> operator()(TransposedConv& conv) const {
    CONSILIUM_TRY(check_image(input));
    CONSILIUM_TRY(check_range("channels", conv.out_channels, 1, kMaxWidth));
    const std::size_t dimensions = input.size() - 1;
    CONSILIUM_TRY(check_sides("kernel", conv.kernel, dimensions, 1));
    CONSILIUM_TRY(check_sides("stride", conv.stride, dimensions, 1));
    conv.in_channels = input[0];
    Shape output{conv.out_channels};
    for (std::size_t d = 0; d < dimensions; ++d)
      output.push_back((input[d + 1] - 1) * along(conv.stride, d) + along(conv.kernel, d));
    return output;
  }
  Result<Shape> operator()(Linear& linear) const {
    CONSILIUM_TRY(check_range("features", linear.out_features, 1, kMaxWidth));
    linear.in_features = input[0];
    return Shape{linear.out_features};
  }
  Result<Shape> operator()(MaxPool& pool) const {
    CONSILIUM_TRY(check_image(input));
    if (pool.stride.empty()) pool.stride = pool.kernel;
    CONSILIUM_ASSIGN(Shape output, slide(input, input[0], pool.kernel, pool.stride, pool.padding));
    for (std::size_t d = 0; d + 1 < input.size(); ++d) {
      if (2 * along(pool.padding, d) > along(pool.kernel, d))
        return refuse("the padding of a pool must be at most half of its kernel");
    }
    return output;
  }
  Result<Shape> operator()(AvgPool& pool) const {
    CONSILIUM_TRY(check_image(input));
    if (pool.stride.empty()) pool.stride = pool.kernel;
    return slide(input, input[0], pool.kernel, pool.stride, {0});
  }
  Result<Shape> operator()(GlobalAvgPool& /*pool*/) const {
    CONSILIUM_TRY(check_image(input));
    Shape output(input.size(), 1);
    output[0] = input[0];
    return output;
  }
  Result<Shape> operator()(Relu& /*relu*/) const { return input; }
  Result<Shape> operator()(BatchNorm& norm) const {
    norm.features = input[0];
    return input;
  }
  Result<Shape> operator()(GroupNorm& norm) const {
    CONSILIUM_TRY(check_range("groups", norm.groups, 1, kMaxWidth));
    if (input[0] % norm.groups != 0)
      return refuse(fmt::format("{} groups don't divide the {} channels of its input", norm.groups, input[0]));
    norm.features = input[0];
    return input;
  }
  Result<Shape> operator()(InstanceNorm& norm) const {
    CONSILIUM_TRY(check_image(input));
    if (std::accumulate(input.begin() + 1, input.end(), std::int64_t{1}, std::multiplies<>()) < 2)
      return refuse(fmt::format("needs more than one value per channel, found an input of shape {}", text(input)));
    norm.features = input[0];
    return input;
  }
  Result<Shape> operator()(Dropout& dropout) const {
    if (dropout.probability >= 0.0 && dropout.probability < 1.0) return input;
    return refuse(fmt::format("the probability must be at least 0 and below 1, is {}", dropout.probability));
  }
  Result<Shape> operator()(Flatten& /*flatten*/) const {
    return Shape{std::accumulate(input.begin(), input.end(), std::int64_t{1}, std::multiplies<>())};
  }
  Result<Shape> operator()(Upsample& upsample) const {
    CONSILIUM_TRY(check_image(input));
    CONSILIUM_TRY(check_range("factor", upsample.factor, 1, kMaxFactor));
    Shape output = input;
    for (std::size_t d = 1; d < output.size(); ++d) output[d] *= upsample.factor;
    return output;
  }
  Result<Shape> operator()(UpsampleLike& /*upsample*/) const {
    CONSILIUM_TRY(check_image(input));
    if (inputs[1].size() != input.size())
      return refuse(fmt::format("can't resize an input of shape {} to the size of {}: expected as many dimensions",
                                text(input), text(inputs[1])));
    Shape output = inputs[1];
    output[0] = input[0];
    return output;
  }
  Result<Shape> operator()(Add& /*add*/) const {
    for (const Shape& other : inputs) {
      if (other != input)
        return refuse(fmt::format("inputs must have one shape, found {} and {}", text(input), text(other)));
    }
    return input;
  }
  Result<Shape> operator()(Concat& /*concat*/) const {
    Shape output = input;
    for (const Shape& other : inputs.subspan(1)) {
      if (!std::equal(input.begin() + 1, input.end(), other.begin() + 1, other.end()))
        return refuse(
            fmt::format("inputs may differ only in their channels, found {} and {}", text(input), text(other)));
      output[0] += other[0];
    }
    CONSILIUM_TRY(check_range("channels", output[0], 1, kMaxWidth));
    return output;
  }
  Result<Shape> operator()(BasicBlock& block) const {
    CONSILIUM_TRY(check_image(input));
    CONSILIUM_TRY(check_range("channels", block.out_channels, 1, kMaxWidth));
    CONSILIUM_TRY(check_range("stride", block.stride, 1, kMaxKernel));
    return slide(input, block.out_channels, {3}, {block.stride}, {1});
  }
};

/// The number of inputs that an operation takes.
struct Arity {
  std::size_t least = 1;
  std::size_t most = 1;
};
Arity arity_of(const Operation& operation) {
  if (std::holds_alternative<UpsampleLike>(operation)) return {2, 2};
  if (std::holds_alternative<Add>(operation) || std::holds_alternative<Concat>(operation)) return {2, kMaxInputs};
  return {};
}

}  // namespace

std::string text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Result<void> check_size(const Shape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension > kMaxActivations / size) {
      return refuse(fmt::format("a shape of {} has more than {} values per example", text(shape), kMaxActivations));
    }
    size *= dimension;
  }
  return {};
}

Result<Shape> derive(Operation& operation, std::span<const Shape> inputs) {
  const Arity arity = arity_of(operation);
  if (inputs.size() < arity.least || inputs.size() > arity.most) {
    return refuse(arity.most == 1 ? fmt::format("takes one input, found {}", inputs.size())
                                  : fmt::format("takes {} inputs{}, found {}", arity.least,
                                                arity.most > arity.least ? " or more" : "", inputs.size()));
  }
  CONSILIUM_ASSIGN(Shape output, std::visit(ShapeRule{inputs}, operation));
  CONSILIUM_TRY(check_size(output));
  return output;
}

}  // namespace consilium::model
