#include "client/trainer/models/kernel_functions.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "client/trainer/models/cpu_kernels.h"

namespace consilium::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
/// An argument of a node can be absent, but not undefined.
using Maybe = c10::optional<at::Tensor>;

Maybe maybe(const at::Tensor& tensor) { return tensor.defined() ? Maybe(tensor) : Maybe(); }

constexpr std::int64_t kPoolGrain = 16;

/// Unfolds every example: [N, C * k^2 (+ 1 row of ones for the bias), L].
at::Tensor columns_of(const at::Tensor& input, const kernels::Window& window, bool ones) {
  const std::int64_t batch = input.size(0);
  const std::int64_t channels = input.size(1);
  const std::int64_t rows = channels * window.kernel * window.kernel;
  const std::int64_t positions = window.output_height() * window.output_width();
  const std::int64_t all = (rows + (ones ? 1 : 0)) * positions;
  at::Tensor columns = at::empty({batch, rows + (ones ? 1 : 0), positions}, input.options());
  const float* from = input.const_data_ptr<float>();
  float* to = columns.mutable_data_ptr<float>();
  at::parallel_for(0, batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      kernels::image_to_columns(from + i * channels * window.height * window.width, channels, window, to + i * all);
      std::fill(to + i * all + rows * positions, to + (i + 1) * all, 1.0F);
    }
  });
  return columns;
}

struct UnfoldedConvolution : torch::autograd::Function<UnfoldedConvolution> {
  /// @param weight_gradient, bias_gradient  overwritten by backward()
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input, const at::Tensor& weight, const Maybe& bias,
                            const at::Tensor& weight_gradient, const Maybe& bias_gradient, std::int64_t stride,
                            std::int64_t padding) {
    const kernels::Window window{.height = input.size(2),
                                 .width = input.size(3),
                                 .kernel = weight.size(2),
                                 .stride = stride,
                                 .padding = padding};
    const std::int64_t batch = input.size(0);
    const std::int64_t outputs = weight.size(0);
    const at::Tensor columns = columns_of(input, window, bias.has_value());
    at::Tensor matrix = weight.view({outputs, -1});
    if (bias) matrix = at::cat({matrix, bias->view({outputs, 1})}, 1);
    at::Tensor output = at::empty({batch, outputs, window.output_height(), window.output_width()}, input.options());
    at::Tensor flat = output.view({batch, outputs, -1});
    at::bmm_out(flat, matrix.unsqueeze(0).expand({batch, outputs, matrix.size(1)}), columns);
    ctx->saved_data["columns"] = columns;
    ctx->saved_data["weight_gradient"] = weight_gradient;
    if (bias) ctx->saved_data["bias_gradient"] = *bias_gradient;
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    ctx->save_for_backward({input, weight});
    return output;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& input = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor flat = gradients[0].reshape({gradients[0].size(0), weight.size(0), -1});
    const at::Tensor sum = at::bmm(flat, ctx->saved_data["columns"].toTensor().transpose(1, 2)).sum(0);
    const std::int64_t rows = weight.numel() / weight.size(0);
    const at::Tensor weight_gradient = ctx->saved_data["weight_gradient"].toTensor();
    weight_gradient.view({weight.size(0), rows}).copy_(sum.narrow(1, 0, rows));
    if (const auto bias = ctx->saved_data.find("bias_gradient"); bias != ctx->saved_data.end())
      bias->second.toTensor().copy_(sum.select(1, rows));
    variable_list result(7);
    if (ctx->needs_input_grad(0)) {
      const std::int64_t stride = ctx->saved_data["stride"].toInt();
      const std::int64_t padding = ctx->saved_data["padding"].toInt();
      result[0] =
          std::get<0>(at::convolution_backward(gradients[0], input, weight, c10::nullopt, {stride, stride},
                                               {padding, padding}, {1, 1}, false, {0, 0}, 1, {true, false, false}));
    }
    return result;
  }
};

struct DirectLinear : torch::autograd::Function<DirectLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input, const at::Tensor& weight, const Maybe& bias,
                            const at::Tensor& weight_gradient, const Maybe& bias_gradient) {
    ctx->saved_data["weight_gradient"] = weight_gradient;
    if (bias) ctx->saved_data["bias_gradient"] = *bias_gradient;
    ctx->save_for_backward({input, weight});
    return bias ? at::addmm(*bias, input, weight.t()) : at::mm(input, weight.t());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    at::Tensor weight_gradient = ctx->saved_data["weight_gradient"].toTensor();
    at::mm_out(weight_gradient, gradients[0].t(), saved[0]);
    if (const auto bias = ctx->saved_data.find("bias_gradient"); bias != ctx->saved_data.end()) {
      at::Tensor bias_gradient = bias->second.toTensor();
      at::sum_out(bias_gradient, gradients[0], 0);
    }
    variable_list result(5);
    if (ctx->needs_input_grad(0)) result[0] = at::mm(gradients[0], saved[1]);
    return result;
  }
};

struct MaxPoolOnCpu : torch::autograd::Function<MaxPoolOnCpu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input, std::int64_t kernel, std::int64_t stride,
                            bool rectify) {
    const at::Tensor planes = input.contiguous();
    const kernels::Window window = window_of(planes.sizes(), kernel, stride);
    at::Tensor output =
        at::empty({planes.size(0), planes.size(1), window.output_height(), window.output_width()}, planes.options());
    at::Tensor winner = at::empty(output.sizes(), planes.options().dtype(at::kInt));
    const std::int64_t inside = window.height * window.width;
    const std::int64_t outside = window.output_height() * window.output_width();
    const float* from = planes.const_data_ptr<float>();
    float* to = output.mutable_data_ptr<float>();
    auto* at_winner = winner.mutable_data_ptr<std::int32_t>();
    at::parallel_for(0, planes.size(0) * planes.size(1), kPoolGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t plane = begin; plane < end; ++plane) {
        kernels::max_pool(from + plane * inside, window, rectify, to + plane * outside, at_winner + plane * outside);
      }
    });
    ctx->saved_data["winner"] = winner;
    ctx->saved_data["sizes"] = planes.sizes().vec();
    ctx->saved_data["kernel"] = kernel;
    ctx->saved_data["stride"] = stride;
    return output;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const at::Tensor given = gradients[0].contiguous();
    const std::vector<std::int64_t> sizes = ctx->saved_data["sizes"].toIntVector();
    const kernels::Window window =
        window_of(sizes, ctx->saved_data["kernel"].toInt(), ctx->saved_data["stride"].toInt());
    const at::Tensor winner = ctx->saved_data["winner"].toTensor();
    at::Tensor result = at::empty(sizes, given.options());
    const std::int64_t inside = window.height * window.width;
    const std::int64_t outside = window.output_height() * window.output_width();
    const float* from = given.const_data_ptr<float>();
    const auto* at_winner = winner.const_data_ptr<std::int32_t>();
    float* to = result.mutable_data_ptr<float>();
    at::parallel_for(0, sizes[0] * sizes[1], kPoolGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t plane = begin; plane < end; ++plane) {
        kernels::max_pool_backward(from + plane * outside, at_winner + plane * outside, window, to + plane * inside);
      }
    });
    variable_list all(4);
    all[0] = result;
    return all;
  }

 private:
  static kernels::Window window_of(at::IntArrayRef sizes, std::int64_t kernel, std::int64_t stride) {
    return {.height = sizes[2], .width = sizes[3], .kernel = kernel, .stride = stride, .padding = 0};
  }
};

}  // namespace

at::Tensor unfolded_convolution(const at::Tensor& input, const DirectParameter& weight, const DirectParameter& bias,
                                std::int64_t stride, std::int64_t padding) {
  return UnfoldedConvolution::apply(input.contiguous(), weight.value, maybe(bias.value), weight.gradient,
                                    maybe(bias.gradient), stride, padding);
}

at::Tensor direct_linear(const at::Tensor& input, const DirectParameter& weight, const DirectParameter& bias) {
  return DirectLinear::apply(input, weight.value, maybe(bias.value), weight.gradient, maybe(bias.gradient));
}

at::Tensor max_pool_on_cpu(const at::Tensor& input, std::int64_t kernel, std::int64_t stride, bool rectify) {
  return MaxPoolOnCpu::apply(input, kernel, stride, rectify);
}

}  // namespace consilium::trainer
