#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/model/model_spec.h"

namespace consilium::model {

/// A layer whose sizes aren't known yet.
struct DraftLayer {
  std::string name;
  Operation operation;
  std::vector<std::size_t> inputs;   ///< values, see Draft
  std::optional<std::size_t> owner;  ///< index of the layer whose parameters it uses, if it has none of its own
};

/// A graph under construction. Value 0 is the model's input, and value i is the output of layer i - 1. Layers are in
/// the order of computation; those with parameters are also in the order of PyTorch's state_dict.
struct Draft {
  static constexpr std::size_t kInput = 0;

  std::vector<DraftLayer> layers;
  std::vector<std::size_t> outputs;  ///< values

  /// Appends a layer with parameters of its own, and returns its value.
  std::size_t add(std::string name, Operation operation, std::vector<std::size_t> inputs) {
    layers.push_back({std::move(name), std::move(operation), std::move(inputs), std::nullopt});
    return layers.size();
  }
  /// Appends a layer that uses the parameters of the layer that yields the value `owner`, and returns its value.
  std::size_t add_sharing(std::string name, Operation operation, std::size_t input, std::size_t owner) {
    layers.push_back({std::move(name), std::move(operation), {input}, owner - 1});
    return layers.size();
  }
};

}  // namespace consilium::model
