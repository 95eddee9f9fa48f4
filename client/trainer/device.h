#pragma once

#include <ATen/ATen.h>

#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::trainer {

/// Sets LibTorch up for this process: threads, denormals flushed to zero, deterministic algorithms, float32 without
/// TF32. Also initialises the device. Call it once, before any other use of LibTorch.
/// Fails with kInvalidArgument if the name is none of these, or with kNotFound if there is no such device.
/// @param name     "auto" (the first CUDA device, or the CPU if there is none), "cpu" or "cuda:N"
/// @param threads  >= 1
Result<at::Device> set_up_device(std::string_view name, unsigned threads);

/// Returns a line for the log that describes how LibTorch is set up now: "computes on cuda:0 in float32, TF32 is off".
[[nodiscard]] std::string precision_of(const at::Device& device);

/// Returns the program's name and versions: "consilium-trainer 0.1.0, LibTorch 2.13.0".
[[nodiscard]] std::string software_name();

}  // namespace consilium::trainer
