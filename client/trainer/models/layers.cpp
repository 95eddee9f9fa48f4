#include "client/trainer/models/layers.h"

#include <array>
#include <tuple>
#include <utility>

namespace consilium::trainer {
namespace {

constexpr double kBatchNormEpsilon = 1e-5;
constexpr double kBatchNormMomentum = 0.1;

}  // namespace

LinearLayer::LinearLayer(Parameter weight, std::optional<Parameter> bias)
    : weight_(std::move(weight)), bias_(std::move(bias)) {}

at::Tensor LinearLayer::forward(const at::Tensor& input, const Pass& pass) {
  input_ = pass.training ? input : at::Tensor();
  return bias_ ? at::addmm(bias_->value, input, weight_.value.t()) : at::mm(input, weight_.value.t());
}

at::Tensor LinearLayer::backward(const at::Tensor& gradient, bool input_needed) {
  at::mm_out(weight_.gradient, gradient.t(), input_);
  if (bias_) {
    at::sum_out(bias_->gradient, gradient, 0);
  }
  return input_needed ? at::mm(gradient, weight_.value) : at::Tensor();
}

at::Tensor ReluLayer::forward(const at::Tensor& input, const Pass& pass) {
  at::Tensor output = in_place_ ? at::Tensor(input).relu_() : at::relu(input);
  output_ = pass.training ? output : at::Tensor();
  return output;
}

at::Tensor ReluLayer::backward(const at::Tensor& gradient, bool /*input_needed*/) {
  at::Tensor result = gradient;
  at::threshold_backward_out(result, gradient, output_, 0);
  return result;
}

at::Tensor DropoutLayer::forward(const at::Tensor& input, const Pass& pass) {
  if (!pass.training) {
    return input;
  }
  const double keep = 1.0 - probability_;
  mask_ = at::empty_like(input).bernoulli_(keep, pass.generator);
  if (keep > 0.0) {
    mask_.div_(keep);
  }
  return input * mask_;
}

at::Tensor DropoutLayer::backward(const at::Tensor& gradient, bool /*input_needed*/) { return gradient * mask_; }

at::Tensor FlattenLayer::forward(const at::Tensor& input, const Pass& /*pass*/) {
  shape_ = input.sizes().vec();
  return input.flatten(1);
}

at::Tensor FlattenLayer::backward(const at::Tensor& gradient, bool /*input_needed*/) {
  return gradient.reshape(shape_);
}

BatchNormLayer::BatchNormLayer(Parameter weight, Parameter bias, Parameter running_mean, Parameter running_variance)
    : weight_(std::move(weight)),
      bias_(std::move(bias)),
      running_mean_(std::move(running_mean)),
      running_variance_(std::move(running_variance)) {}

at::Tensor BatchNormLayer::forward(const at::Tensor& input, const Pass& pass) {
  batch_statistics_ = pass.training && input.numel() > input.size(1);
  auto [output, mean, inverse_deviation] =
      at::native_batch_norm(input, weight_.value, bias_.value, running_mean_.value, running_variance_.value,
                            batch_statistics_, kBatchNormMomentum, kBatchNormEpsilon);
  if (pass.training) {
    input_ = input;
    mean_ = std::move(mean);
    inverse_deviation_ = std::move(inverse_deviation);
  }
  return output;
}

at::Tensor BatchNormLayer::backward(const at::Tensor& gradient, bool input_needed) {
  auto [input_gradient, weight_gradient, bias_gradient] = at::native_batch_norm_backward(
      gradient, input_, weight_.value, running_mean_.value, running_variance_.value, mean_, inverse_deviation_,
      batch_statistics_, kBatchNormEpsilon, std::array<bool, 3>{input_needed, true, true});
  weight_.gradient.copy_(weight_gradient);
  bias_.gradient.copy_(bias_gradient);
  return input_gradient;
}

}  // namespace consilium::trainer
