#include "client/trainer/models/pooling.h"

#include <ATen/Parallel.h>

#include <tuple>

#include "client/trainer/models/cpu_kernels.h"

namespace consilium::trainer {
namespace {

kernels::Window window_of(const at::Tensor& input, std::int64_t kernel, std::int64_t stride) {
  return {.height = input.size(2), .width = input.size(3), .kernel = kernel, .stride = stride, .padding = 0};
}

}  // namespace

at::Tensor MaxPoolLayer::forward(const at::Tensor& input, const Pass& pass) {
  input_ = pass.training ? input : at::Tensor();
  if (input.is_cpu()) {
    return forward_on_cpu(input, pass);
  }
  auto [output, winner] = at::max_pool2d_with_indices(input, {kernel_, kernel_}, {stride_, stride_});
  if (rectify_) {
    output.relu_();
  }
  output_ = pass.training ? output : at::Tensor();
  winner_ = std::move(winner);
  return output;
}

at::Tensor MaxPoolLayer::forward_on_cpu(const at::Tensor& input, const Pass& pass) {
  const at::Tensor planes = input.contiguous();
  const kernels::Window window = window_of(planes, kernel_, stride_);
  at::Tensor output =
      at::empty({planes.size(0), planes.size(1), window.output_height(), window.output_width()}, planes.options());
  at::Tensor winner = at::empty(output.sizes(), planes.options().dtype(at::kInt));
  const std::int64_t inside = window.height * window.width;
  const std::int64_t outside = window.output_height() * window.output_width();
  const float* from = planes.const_data_ptr<float>();
  float* to = output.mutable_data_ptr<float>();
  auto* at_winner = winner.mutable_data_ptr<std::int32_t>();
  at::parallel_for(0, planes.size(0) * planes.size(1), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      kernels::max_pool(from + plane * inside, window, rectify_, to + plane * outside, at_winner + plane * outside);
    }
  });
  winner_ = pass.training ? winner : at::Tensor();
  return output;
}

at::Tensor MaxPoolLayer::backward(const at::Tensor& gradient, bool /*input_needed*/) {
  if (input_.is_cpu()) {
    return backward_on_cpu(gradient);
  }
  at::Tensor through = gradient;
  if (rectify_) {
    at::threshold_backward_out(through, gradient, output_, 0);
  }
  return at::max_pool2d_with_indices_backward(through, input_, {kernel_, kernel_}, {stride_, stride_}, {0, 0}, {1, 1},
                                              false, winner_);
}

at::Tensor MaxPoolLayer::backward_on_cpu(const at::Tensor& gradient) {
  const at::Tensor given = gradient.contiguous();
  const kernels::Window window = window_of(input_, kernel_, stride_);
  at::Tensor result = at::empty(input_.sizes(), input_.options());
  const std::int64_t inside = window.height * window.width;
  const std::int64_t outside = window.output_height() * window.output_width();
  const float* from = given.const_data_ptr<float>();
  const auto* winner = winner_.const_data_ptr<std::int32_t>();
  float* to = result.mutable_data_ptr<float>();
  at::parallel_for(0, result.size(0) * result.size(1), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      kernels::max_pool_backward(from + plane * outside, winner + plane * outside, window, to + plane * inside);
    }
  });
  return result;
}

at::Tensor AveragePoolLayer::forward(const at::Tensor& input, const Pass& pass) {
  input_ = pass.training ? input : at::Tensor();
  return at::avg_pool2d(input, {kernel_, kernel_}, {stride_, stride_});
}

at::Tensor AveragePoolLayer::backward(const at::Tensor& gradient, bool /*input_needed*/) {
  return at::avg_pool2d_backward(gradient, input_, {kernel_, kernel_}, {stride_, stride_}, {0, 0}, false, true,
                                 std::nullopt);
}

at::Tensor GlobalAveragePoolLayer::forward(const at::Tensor& input, const Pass& /*pass*/) {
  shape_ = input.sizes().vec();
  return input.mean({2, 3}, true);
}

at::Tensor GlobalAveragePoolLayer::backward(const at::Tensor& gradient, bool /*input_needed*/) {
  return gradient.div(static_cast<double>(shape_[2] * shape_[3])).expand(shape_).contiguous();
}

}  // namespace consilium::trainer
