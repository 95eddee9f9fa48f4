#pragma once

#include <ATen/ATen.h>

#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::trainer {

/// Sets LibTorch up for this process, once, before any other use of it: threads, denormals flushed to zero,
/// deterministic algorithms, float32 without TF32; and initialises the device.
/// @param name     "auto" (the first CUDA device, else the CPU), "cpu" or "cuda:N"
/// @param threads  >= 1
/// Fails with kInvalidArgument on another name, kNotFound where there is no such device.
Result<at::Device> set_up_device(std::string_view name, unsigned threads);

/// Returns a line for the log, as LibTorch is set up now: "computes on cuda:0 in float32, TF32 is off".
[[nodiscard]] std::string precision_of(const at::Device& device);

/// "consilium-trainer 0.1.0, LibTorch 2.13.0"
[[nodiscard]] std::string software_name();

}  // namespace consilium::trainer
