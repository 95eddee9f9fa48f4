#pragma once

#include <vector>

#include "client/trainer/models/module.h"

namespace consilium::trainer {

/// Maximum over windows of [N, C, H, W]; optionally with the relu that stands before it (both orders give the same).
class MaxPoolLayer : public Module {
 public:
  MaxPoolLayer(std::int64_t kernel, std::int64_t stride, bool rectify)
      : kernel_(kernel), stride_(stride), rectify_(rectify) {}
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  at::Tensor forward_on_cpu(const at::Tensor& input, const Pass& pass);
  at::Tensor backward_on_cpu(const at::Tensor& gradient);

  std::int64_t kernel_;
  std::int64_t stride_;
  bool rectify_;
  at::Tensor input_;
  at::Tensor output_;
  at::Tensor winner_;
};

/// Mean over windows of [N, C, H, W].
class AveragePoolLayer : public Module {
 public:
  AveragePoolLayer(std::int64_t kernel, std::int64_t stride) : kernel_(kernel), stride_(stride) {}
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  std::int64_t kernel_;
  std::int64_t stride_;
  at::Tensor input_;
};

/// Mean over height and width: [N, C, H, W] -> [N, C, 1, 1].
class GlobalAveragePoolLayer : public Module {
 public:
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  std::vector<std::int64_t> shape_;
};

}  // namespace consilium::trainer
