#pragma once

#include <string_view>

#include "common/error/error.h"
#include "common/model/model_spec.h"

/// How a job names layers of its model, a known one or its own: by a layer's name, or by what its name begins with up
/// to a '.', as "layer1" names all of "layer1.0.conv1", "layer1.0.bn1", ...
namespace consilium::model {

/// Is a layer or tensor the one that a job's word names, or inside of it? "layer10" isn't inside of "layer1".
[[nodiscard]] bool lies_in(std::string_view name, std::string_view word);

/// Checks that a job's word names at least one layer that has parameters of its own. Fails with kInvalidArgument, with
/// the nearest word that does.
Result<void> check_layer_name(const Graph& graph, std::string_view word);

}  // namespace consilium::model
