#include "client/trainer/models/convolution.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "client/trainer/models/cpu_kernels.h"

namespace consilium::trainer {
namespace {

constexpr std::int64_t kMostUnfoldedRows = 32;

}  // namespace

Convolution::Convolution(Parameter weight, std::optional<Parameter> bias, std::int64_t stride, std::int64_t padding)
    : weight_(std::move(weight)), bias_(std::move(bias)), stride_(stride), padding_(padding) {}

bool Convolution::unfolds(const at::Tensor& input) const {
  return input.is_cpu() && weight_.value.size(1) * weight_.value.size(2) * weight_.value.size(3) <= kMostUnfoldedRows;
}

at::Tensor Convolution::forward(const at::Tensor& input, const Pass& pass) {
  input_ = pass.training ? input : at::Tensor();
  if (unfolds(input)) {
    return forward_unfolded(input, pass);
  }
  return at::conv2d(input, weight_.value, bias_ ? bias_->value : at::Tensor(), {stride_, stride_},
                    {padding_, padding_});
}

at::Tensor Convolution::forward_unfolded(const at::Tensor& input, const Pass& pass) {
  const kernels::Window window{.height = input.size(2),
                               .width = input.size(3),
                               .kernel = weight_.value.size(2),
                               .stride = stride_,
                               .padding = padding_};
  const std::int64_t batch = input.size(0);
  const std::int64_t channels = input.size(1);
  const std::int64_t outputs = weight_.value.size(0);
  const std::int64_t rows = channels * window.kernel * window.kernel;
  const std::int64_t all_rows = rows + (bias_ ? 1 : 0);
  const std::int64_t positions = window.output_height() * window.output_width();
  if (!columns_.defined() || columns_.size(0) != batch || columns_.size(1) != all_rows ||
      columns_.size(2) != positions) {
    columns_ = at::ones({batch, all_rows, positions}, input.options());
  }
  const float* from = input.const_data_ptr<float>();
  float* to = columns_.mutable_data_ptr<float>();
  at::parallel_for(0, batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      kernels::image_to_columns(from + i * channels * window.height * window.width, channels, window,
                                to + i * all_rows * positions);
    }
  });
  at::Tensor matrix = weight_.value.view({outputs, rows});
  if (bias_) {
    matrix = at::cat({matrix, bias_->value.view({outputs, 1})}, 1);
  }
  at::Tensor output = at::bmm(matrix.unsqueeze(0).expand({batch, outputs, all_rows}), columns_);
  if (!pass.training) {
    columns_ = at::Tensor();
  }
  return output.view({batch, outputs, window.output_height(), window.output_width()});
}

void Convolution::parameter_gradients_unfolded(const at::Tensor& gradient) {
  const std::int64_t outputs = weight_.value.size(0);
  const std::int64_t rows = weight_.value.numel() / outputs;
  const at::Tensor flat = gradient.reshape({gradient.size(0), outputs, -1});
  const at::Tensor sum = at::bmm(flat, columns_.transpose(1, 2)).sum(0);
  weight_.gradient.view({outputs, rows}).copy_(sum.narrow(1, 0, rows));
  if (bias_) {
    bias_->gradient.copy_(sum.select(1, rows));
  }
}

at::Tensor Convolution::backward(const at::Tensor& gradient, bool input_needed) {
  const bool unfolded = unfolds(input_);
  if (unfolded) {
    parameter_gradients_unfolded(gradient);
    if (!input_needed) {
      return {};
    }
  }
  const at::OptionalIntArrayRef bias_sizes =
      bias_ ? at::OptionalIntArrayRef(bias_->value.sizes()) : at::OptionalIntArrayRef();
  auto [input_gradient, weight_gradient, bias_gradient] =
      at::convolution_backward(gradient, input_, weight_.value, bias_sizes, {stride_, stride_}, {padding_, padding_},
                               {1, 1}, false, {0, 0}, 1, {input_needed, !unfolded, !unfolded && bias_.has_value()});
  if (!unfolded) {
    weight_.gradient.copy_(weight_gradient);
    if (bias_) {
      bias_->gradient.copy_(bias_gradient);
    }
  }
  return input_gradient;
}

}  // namespace consilium::trainer
