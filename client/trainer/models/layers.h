#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "client/trainer/models/module.h"

namespace consilium::trainer {

/// y = x W^T + b, [N, in] -> [N, out].
class LinearLayer : public Module {
 public:
  LinearLayer(Parameter weight, std::optional<Parameter> bias);
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  Parameter weight_;
  std::optional<Parameter> bias_;
  at::Tensor input_;
};

/// max(x, 0).
class ReluLayer : public Module {
 public:
  /// @param in_place  the input is nobody else's
  explicit ReluLayer(bool in_place) : in_place_(in_place) {}
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  bool in_place_;
  at::Tensor output_;
};

/// Zeroes with probability p while training, and scales the rest by 1 / (1 - p).
class DropoutLayer : public Module {
 public:
  explicit DropoutLayer(double probability) : probability_(probability) {}
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  double probability_;
  at::Tensor mask_;
};

/// [N, ...] -> [N, product].
class FlattenLayer : public Module {
 public:
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  std::vector<std::int64_t> shape_;
};

/// Batch normalisation over [N, C, H, W] or [N, F], eps 1e-5 and momentum 0.1 as in PyTorch. Where a batch has one
/// value for each channel, so that it has no variance, the running statistics normalise it and stay as they are.
class BatchNormLayer : public Module {
 public:
  BatchNormLayer(Parameter weight, Parameter bias, Parameter running_mean, Parameter running_variance);
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  Parameter weight_;
  Parameter bias_;
  Parameter running_mean_;
  Parameter running_variance_;
  bool batch_statistics_ = false;
  at::Tensor input_;
  at::Tensor mean_;
  at::Tensor inverse_deviation_;
};

}  // namespace consilium::trainer
