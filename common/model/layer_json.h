#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/model/json_value.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Writes one element of `layers`, every default spelled out.
[[nodiscard]] nlohmann::json layer_to_json(const Operation& operation);

/// Reads one element of `layers`: a word, or a map of one word to its settings.
Result<Operation> layer_from_json(const JsonValue& value);

}  // namespace consilium::model
