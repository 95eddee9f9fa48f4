#pragma once

#include <string_view>

#include "common/error/error.h"
#include "common/model/model_spec.h"

/// How a job names layers of its model, whether known or its own: by a layer's name, or by a prefix of names that ends
/// before a '.'. For example, "layer1" names all of "layer1.0.conv1", "layer1.0.bn1", ...
namespace consilium::model {

/// Returns true if a layer or tensor is named by a job's word or lies within it. "layer10" isn't within "layer1".
[[nodiscard]] bool lies_in(std::string_view name, std::string_view word);

/// Checks that a job's word names at least one layer with parameters of its own. Fails with kInvalidArgument,
/// suggesting the nearest word that does.
Result<void> check_layer_name(const Graph& graph, std::string_view word);

}  // namespace consilium::model
