#include "client/trainer/models/step.h"

#include <tuple>

namespace consilium::trainer {
namespace {

constexpr double kNormEpsilon = 1e-5;
constexpr double kBatchNormMomentum = 0.1;
/// Inputs of one output up to which oneDNN's convolution is some four times slower than a matrix product.
constexpr std::int64_t kMostUnfoldedRows = 32;

std::vector<std::int64_t> sides_of(const at::Tensor& image) { return image.sizes().slice(2).vec(); }

class Runner {
 public:
  Runner(const Step& step, std::span<const at::Tensor> inputs, const Pass& pass)
      : step_(step), inputs_(inputs), input_(inputs[0]), pass_(pass) {}

  at::Tensor operator()(const model::Conv& conv) const {
    const StepParameters& own = step_.parameters;
    if (own.direct) return unfolded_convolution(input_, own.weight, own.bias, conv.stride[0], conv.padding[0]);
    if (conv.kernel.size() == 3) return at::conv3d(input_, own.weight.value, own.bias.value, conv.stride, conv.padding);
    return at::conv2d(input_, own.weight.value, own.bias.value, conv.stride, conv.padding);
  }
  at::Tensor operator()(const model::TransposedConv& conv) const {
    const StepParameters& own = step_.parameters;
    if (conv.kernel.size() == 3) return at::conv_transpose3d(input_, own.weight.value, own.bias.value, conv.stride);
    return at::conv_transpose2d(input_, own.weight.value, own.bias.value, conv.stride);
  }
  at::Tensor operator()(const model::Linear& /*linear*/) const {
    const StepParameters& own = step_.parameters;
    if (own.direct) return direct_linear(input_, own.weight, own.bias);
    return at::linear(input_, own.weight.value, own.bias.value);
  }
  at::Tensor operator()(const model::Relu& /*relu*/) const {
    return step_.in_place ? at::Tensor(input_).relu_() : at::relu(input_);
  }
  at::Tensor operator()(const model::MaxPool& pool) const {
    if (has_pool_kernel(pool, input_.device()))
      return max_pool_on_cpu(input_, pool.kernel[0], pool.stride[0], step_.rectify);
    if (pool.kernel.size() == 3) return at::max_pool3d(input_, pool.kernel, pool.stride, pool.padding);
    return at::max_pool2d(input_, pool.kernel, pool.stride, pool.padding);
  }
  at::Tensor operator()(const model::AvgPool& pool) const {
    if (pool.kernel.size() == 3) return at::avg_pool3d(input_, pool.kernel, pool.stride);
    return at::avg_pool2d(input_, pool.kernel, pool.stride);
  }
  at::Tensor operator()(const model::GlobalAvgPool& /*pool*/) const {
    if (input_.dim() == 5) return input_.mean({2, 3, 4}, true);
    return input_.mean({2, 3}, true);
  }
  /// Where a batch has one value for each channel, so that it has no variance, the running statistics normalise it and
  /// stay as they are.
  at::Tensor operator()(const model::BatchNorm& /*norm*/) const {
    const StepParameters& own = step_.parameters;
    const bool batch_statistics = pass_.training && input_.numel() > input_.size(1);
    return std::get<0>(at::native_batch_norm(input_, own.weight.value, own.bias.value, own.running_mean,
                                             own.running_variance, batch_statistics, kBatchNormMomentum, kNormEpsilon));
  }
  at::Tensor operator()(const model::GroupNorm& norm) const { return group_norm(norm.groups); }
  at::Tensor operator()(const model::InstanceNorm& norm) const { return group_norm(norm.features); }
  at::Tensor operator()(const model::Dropout& dropout) const {
    if (!pass_.training) return input_;
    const double keep = 1.0 - dropout.probability;
    return input_ * at::empty_like(input_).bernoulli_(keep, pass_.generator).div_(keep);
  }
  at::Tensor operator()(const model::Flatten& /*flatten*/) const { return input_.flatten(1); }
  at::Tensor operator()(const model::Upsample& upsample) const {
    std::vector<std::int64_t> sides = sides_of(input_);
    for (std::int64_t& side : sides) side *= upsample.factor;
    if (upsample.nearest) return nearest(sides);
    return sides.size() == 3 ? at::upsample_trilinear3d(input_, sides, false)
                             : at::upsample_bilinear2d(input_, sides, false);
  }
  at::Tensor operator()(const model::UpsampleLike& /*upsample*/) const { return nearest(sides_of(inputs_[1])); }
  at::Tensor operator()(const model::Add& /*add*/) const {
    at::Tensor sum = step_.in_place ? at::Tensor(input_).add_(inputs_[1]) : input_ + inputs_[1];
    for (const at::Tensor& other : inputs_.subspan(2)) sum = sum + other;
    return sum;
  }
  at::Tensor operator()(const model::Concat& /*concat*/) const {
    return at::cat(at::TensorList(inputs_.data(), inputs_.size()), 1);
  }
  at::Tensor operator()(const model::BasicBlock& /*expand() leaves none*/) const { return {}; }

 private:
  [[nodiscard]] at::Tensor group_norm(std::int64_t groups) const {
    const StepParameters& own = step_.parameters;
    return at::group_norm(input_, groups, own.weight.value, own.bias.value, kNormEpsilon);
  }
  [[nodiscard]] at::Tensor nearest(const std::vector<std::int64_t>& sides) const {
    return sides.size() == 3 ? at::upsample_nearest3d(input_, sides) : at::upsample_nearest2d(input_, sides);
  }

  const Step& step_;
  std::span<const at::Tensor> inputs_;
  const at::Tensor& input_;
  const Pass& pass_;
};

bool is_square(const model::Sides& sides) { return sides.size() == 2 && sides[0] == sides[1]; }

}  // namespace

bool has_direct_kernel(const model::Operation& operation, const at::Device& device) {
  if (std::holds_alternative<model::Linear>(operation)) return true;
  const auto* conv = std::get_if<model::Conv>(&operation);
  return conv != nullptr && device.is_cpu() && is_square(conv->kernel) && is_square(conv->stride) &&
         is_square(conv->padding) && conv->in_channels * conv->kernel[0] * conv->kernel[1] <= kMostUnfoldedRows;
}

bool has_pool_kernel(const model::MaxPool& pool, const at::Device& device) {
  return device.is_cpu() && is_square(pool.kernel) && is_square(pool.stride) && pool.padding == model::Sides{0, 0};
}

at::Tensor run(const Step& step, std::span<const at::Tensor> inputs, const Pass& pass) {
  return std::visit(Runner(step, inputs, pass), step.operation);
}

}  // namespace consilium::trainer
