#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {

/// How a tensor begins: every value the same, or uniform within +-bound.
struct Initial {
  float bound = 0.0F;  ///< > 0: U(-bound, bound)
  float value = 0.0F;  ///< where the bound is 0
};

/// One tensor of a layer: what the manifest holds of it, and how it begins.
struct LayerTensor {
  TensorInfo info;  ///< offset and size are the manifest's to fill
  Initial initial;
};

/// Lists the tensors of an expanded layer in PyTorch's state_dict order, num_batches_tracked left out, as if they were
/// its own.
[[nodiscard]] std::vector<LayerTensor> tensors_of(const Layer& layer);

/// The keys that a job writes for operations, in the order of Operation: "conv", "linear", "relu", ...
[[nodiscard]] std::span<const std::string_view> operation_words();
/// The key of one operation.
[[nodiscard]] std::string_view word_of(const Operation& operation);

}  // namespace consilium::model
