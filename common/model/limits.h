#pragma once

#include <cstddef>
#include <cstdint>

#include "common/task/limits.h"

namespace consilium::model {

// Upper bounds on a model in a job. Products of these stay far below 2^63.
inline constexpr std::size_t kMaxLayers = 1000;
inline constexpr std::size_t kMaxOutputs = 32;
inline constexpr std::size_t kMaxInputs = 32;     ///< of one layer
inline constexpr std::size_t kMaxLayerName = 63;  ///< bytes
inline constexpr std::int64_t kMaxWidth = 65536;  ///< channels, features, and each dimension of the input
inline constexpr std::int64_t kMaxKernel = 255;   ///< kernels, strides and paddings
inline constexpr std::int64_t kMaxFactor = 16;    ///< factor of an upsampling
using task::kMaxClasses;
/// Largest number of values that one example may have after any layer.
inline constexpr std::int64_t kMaxActivations = std::int64_t{1} << 28;

}  // namespace consilium::model
