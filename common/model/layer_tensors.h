#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {

/// The initial values of a tensor: all the same, or uniform within +-bound.
struct Initial {
  float bound = 0.0F;  ///< > 0: U(-bound, bound)
  float value = 0.0F;  ///< used if the bound is 0
};

/// One tensor of a layer: its entry in the manifest, and its initial values.
struct LayerTensor {
  TensorInfo info;  ///< offset and size are filled in by the manifest
  Initial initial;
};

/// Lists the tensors of an expanded layer in PyTorch's state_dict order, without num_batches_tracked. A layer that
/// shares another's parameters is treated as if it had its own.
[[nodiscard]] std::vector<LayerTensor> tensors_of(const Layer& layer);

/// Returns the keys that a job uses for operations, in the order of Operation: "conv", "linear", "relu", ...
[[nodiscard]] std::span<const std::string_view> operation_words();
/// Returns the key of one operation.
[[nodiscard]] std::string_view word_of(const Operation& operation);

}  // namespace consilium::model
