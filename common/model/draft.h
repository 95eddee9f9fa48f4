#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/model/model_spec.h"

namespace consilium::model {

/// A layer whose sizes are not derived yet.
struct DraftLayer {
  std::string name;
  Operation operation;
  std::vector<std::size_t> inputs;   ///< values, see Draft
  std::optional<std::size_t> owner;  ///< index of the layer whose parameters it uses, where they aren't its own
};

/// A graph under construction. A value is 0, the model's input, or what layer value - 1 yields. Layers stand in the
/// order in which they are computed, those with parameters in that of PyTorch's state_dict.
struct Draft {
  static constexpr std::size_t kInput = 0;

  std::vector<DraftLayer> layers;
  std::vector<std::size_t> outputs;  ///< values

  /// Appends a layer with parameters of its own, and returns its value.
  std::size_t add(std::string name, Operation operation, std::vector<std::size_t> inputs) {
    layers.push_back({std::move(name), std::move(operation), std::move(inputs), std::nullopt});
    return layers.size();
  }
  /// Appends a layer that uses the parameters of the layer behind the value `owner`.
  std::size_t add_sharing(std::string name, Operation operation, std::size_t input, std::size_t owner) {
    layers.push_back({std::move(name), std::move(operation), {input}, owner - 1});
    return layers.size();
  }
};

}  // namespace consilium::model
