#include "client/trainer/models/step.h"

#include <tuple>
#include <utility>

namespace consilium::trainer {
namespace {

constexpr double kNormEpsilon = 1e-5;
constexpr double kBatchNormMomentum = 0.1;
/// The largest number of inputs of one output for which a matrix product is twice as fast as oneDNN's convolution
/// (benchmarks/kernels.cpp).
constexpr std::int64_t kMostUnfoldedRows = 25;

std::vector<std::int64_t> sides_of(const at::Tensor& image) { return image.sizes().slice(2).vec(); }

class Runner {
 public:
  Runner(const Step& step, std::span<const at::Tensor> inputs, const Pass& pass)
      : step_(step), inputs_(inputs), input_(inputs[0]), pass_(pass) {}

  at::Tensor operator()(const model::Conv& conv) const {
    const StepParameters& own = step_.parameters;
    if (own.direct) return unfolded_convolution(input_, own.weight, own.bias, conv.stride[0], conv.padding[0]);
    const auto [weight, bias] = factors();
    if (conv.kernel.size() == 3) return at::conv3d(arranged(), weight, bias, conv.stride, conv.padding);
    return at::conv2d(arranged(), weight, bias, conv.stride, conv.padding);
  }
  at::Tensor operator()(const model::TransposedConv& conv) const {
    const auto [weight, bias] = factors();
    if (conv.kernel.size() == 3) return at::conv_transpose3d(arranged(), weight, bias, conv.stride);
    return at::conv_transpose2d(arranged(), weight, bias, conv.stride);
  }
  at::Tensor operator()(const model::Linear& /*linear*/) const {
    const StepParameters& own = step_.parameters;
    if (own.direct) return direct_linear(input_, own.weight, own.bias);
    const auto [weight, bias] = factors();
    return at::linear(input_, weight, bias);
  }
  at::Tensor operator()(const model::Relu& /*relu*/) const {
    return step_.in_place ? at::Tensor(input_).relu_() : at::relu(input_);
  }
  at::Tensor operator()(const model::MaxPool& pool) const {
    if (has_pool_kernel(pool, input_.device(), step_.precision))
      return max_pool_on_cpu(input_, pool.kernel[0], pool.stride[0], step_.rectify);
    if (pool.kernel.size() == 3) return at::max_pool3d(input_, pool.kernel, pool.stride, pool.padding);
    return at::max_pool2d(input_, pool.kernel, pool.stride, pool.padding);
  }
  at::Tensor operator()(const model::AvgPool& pool) const {
    if (pool.kernel.size() == 3)  // LibTorch has no bfloat16 kernel for it on the CPU
      return at::avg_pool3d(input_.to(at::kFloat), pool.kernel, pool.stride).to(input_.scalar_type());
    return at::avg_pool2d(input_, pool.kernel, pool.stride);
  }
  at::Tensor operator()(const model::GlobalAvgPool& /*pool*/) const {
    if (input_.dim() == 5) return input_.mean({2, 3, 4}, true);
    return input_.mean({2, 3}, true);
  }
  /// If a batch has only one value for each channel, and so no variance, or if the layer is frozen, the running
  /// statistics normalise it and don't change.
  at::Tensor operator()(const model::BatchNorm& /*norm*/) const {
    const StepParameters& own = step_.parameters;
    const bool batch_statistics = pass_.training && !own.frozen && input_.numel() > input_.size(1);
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
  /// Returns weight and bias (or undefined) in the step's precision.
  [[nodiscard]] std::pair<at::Tensor, at::Tensor> factors() const {
    const StepParameters& own = step_.parameters;
    if (step_.precision == job::Precision::kFloat32) return {own.weight.value, own.bias.value};
    return {own.weight.value.to(at::kBFloat16),
            own.bias.value.defined() ? own.bias.value.to(at::kBFloat16) : at::Tensor()};
  }
  /// Returns the input in the layout that the step computes in.
  [[nodiscard]] at::Tensor arranged() const {
    if (!step_.channels_last) return input_;
    return input_.contiguous(input_.dim() == 5 ? at::MemoryFormat::ChannelsLast3d : at::MemoryFormat::ChannelsLast);
  }
  /// LibTorch's GPU kernel requires input and weight of the same type.
  [[nodiscard]] at::Tensor group_norm(std::int64_t groups) const {
    const StepParameters& own = step_.parameters;
    const bool widened = input_.is_cuda() && step_.precision != job::Precision::kFloat32;
    const at::Tensor& weight = own.weight.value;
    const at::Tensor normed =
        at::group_norm(widened ? input_.to(at::kFloat) : input_, groups, weight, own.bias.value, kNormEpsilon);
    return normed.to(input_.scalar_type());
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

bool has_direct_kernel(const model::Operation& operation, const at::Device& device, job::Precision precision) {
  if (precision != job::Precision::kFloat32) return false;
  if (std::holds_alternative<model::Linear>(operation)) return true;
  const auto* conv = std::get_if<model::Conv>(&operation);
  return conv != nullptr && device.is_cpu() && is_square(conv->kernel) && is_square(conv->stride) &&
         is_square(conv->padding) && conv->in_channels * conv->kernel[0] * conv->kernel[1] <= kMostUnfoldedRows;
}

bool has_pool_kernel(const model::MaxPool& pool, const at::Device& device, job::Precision precision) {
  return precision == job::Precision::kFloat32 && device.is_cpu() && is_square(pool.kernel) && is_square(pool.stride) &&
         pool.padding == model::Sides{0, 0};
}

at::Tensor run(const Step& step, std::span<const at::Tensor> inputs, const Pass& pass) {
  return std::visit(Runner(step, inputs, pass), step.operation);
}

}  // namespace consilium::trainer
