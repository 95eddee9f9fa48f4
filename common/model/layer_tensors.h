#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {

/// How a tensor begins.
enum class Initial : std::uint8_t {
  kUniform,  ///< U(-1/sqrt(fan_in), 1/sqrt(fan_in))
  kOne,
  kZero,
};

/// One tensor of a layer: what the manifest holds of it, and how it begins.
struct LayerTensor {
  TensorInfo info;  ///< offset and size are the manifest's to fill
  Initial initial = Initial::kUniform;
  std::int64_t fan_in = 0;  ///< kUniform only
};

/// Lists the tensors of an expanded layer in PyTorch's state_dict order, num_batches_tracked left out.
[[nodiscard]] std::vector<LayerTensor> tensors_of(const Layer& layer);

/// The key a job writes for the operation: "conv", "linear", "relu", ...
[[nodiscard]] std::string_view word_of(const Operation& operation);

}  // namespace consilium::model
