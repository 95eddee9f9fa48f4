#pragma once

#include <string>
#include <vector>

#include "common/model/model_spec.h"

namespace consilium::model {

/// An operation under the name that its parameters have in PyTorch; its input sizes are not filled in yet.
struct NamedOperation {
  std::string name;
  Operation operation;
};

/// Returns the layers of a model of known_models(), empty for any other name.
[[nodiscard]] std::vector<NamedOperation> layers_of_known_model(const ModelSpec& spec);

}  // namespace consilium::model
