#pragma once

#include <ATen/ATen.h>

#include <cstdint>

/// Layers whose own CPU kernels beat LibTorch's, as nodes of autograd's graph (benchmarks/kernels.cpp shows what each
/// is worth). Where a gradient tensor is given for a parameter, backward() overwrites it and autograd gets nothing: the
/// parameter must then have no other user in the graph.
namespace consilium::trainer {

/// A parameter and where its gradient goes; both undefined where a layer has none.
struct DirectParameter {
  at::Tensor value;
  at::Tensor gradient;
};

/// Convolution as a matrix product over unfolded images.
/// @param input   [N, C, H, W] on the CPU, contiguous     @param weight  [out, C, k, k]
at::Tensor unfolded_convolution(const at::Tensor& input, const DirectParameter& weight, const DirectParameter& bias,
                                std::int64_t stride, std::int64_t padding);

/// y = x W^T + b, [N, in] -> [N, out].
at::Tensor direct_linear(const at::Tensor& input, const DirectParameter& weight, const DirectParameter& bias);

/// Maximum over square windows of [N, C, H, W] on the CPU without padding; optionally with the relu that stands before
/// it (both orders give the same).
at::Tensor max_pool_on_cpu(const at::Tensor& input, std::int64_t kernel, std::int64_t stride, bool rectify);

}  // namespace consilium::trainer
