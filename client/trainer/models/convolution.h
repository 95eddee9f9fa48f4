#pragma once

#include <optional>

#include "client/trainer/models/module.h"

namespace consilium::trainer {

/// 2D convolution, [N, C, H, W]. On the CPU a layer with few inputs per output (a first layer on grey images, say) goes
/// through its own unfolding and one matrix product, where oneDNN is some four times slower.
class Convolution : public Module {
 public:
  /// @param weight  [out, in, kernel, kernel]
  Convolution(Parameter weight, std::optional<Parameter> bias, std::int64_t stride, std::int64_t padding);

  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  [[nodiscard]] bool unfolds(const at::Tensor& input) const;
  at::Tensor forward_unfolded(const at::Tensor& input, const Pass& pass);
  void parameter_gradients_unfolded(const at::Tensor& gradient);

  Parameter weight_;
  std::optional<Parameter> bias_;
  std::int64_t stride_;
  std::int64_t padding_;
  at::Tensor input_;
  at::Tensor columns_;  ///< [N, in * kernel^2 (+ 1 row of ones for the bias), L]; kept between steps
};

}  // namespace consilium::trainer
