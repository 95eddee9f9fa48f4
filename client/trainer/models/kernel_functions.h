#pragma once

#include <ATen/ATen.h>

#include <cstdint>

/// Layers whose own CPU kernels are faster than LibTorch's, as nodes of autograd's graph (benchmarks/kernels.cpp
/// measures the gain of each). If a gradient tensor is given for a parameter, backward() overwrites it and autograd
/// gets nothing. The parameter must then have no other user in the graph.
namespace consilium::trainer {

/// A parameter and the tensor that receives its gradient; both are undefined if a layer has none.
struct DirectParameter {
  at::Tensor value;
  at::Tensor gradient;
};

/// Computes a convolution as a matrix product over unfolded images.
/// @param input   [N, C, H, W] on the CPU, contiguous
/// @param weight  [out, C, k, k]
at::Tensor unfolded_convolution(const at::Tensor& input, const DirectParameter& weight, const DirectParameter& bias,
                                std::int64_t stride, std::int64_t padding);

/// Computes y = x W^T + b, [N, in] -> [N, out].
at::Tensor direct_linear(const at::Tensor& input, const DirectParameter& weight, const DirectParameter& bias);

/// Computes the maximum over square windows of [N, C, H, W], on the CPU and without padding. Optionally also applies
/// the relu that precedes the pool (the order doesn't change the result).
at::Tensor max_pool_on_cpu(const at::Tensor& input, std::int64_t kernel, std::int64_t stride, bool rectify);

}  // namespace consilium::trainer
