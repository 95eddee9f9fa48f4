#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "common/error/error.h"
#include "common/model/json_value.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Writes one element of `layers`, every default of its operation spelled out.
[[nodiscard]] nlohmann::json layer_to_json(const LayerSpec& layer);

/// Reads one element of `layers`: a word, or a map of one word to its settings, with `name`, `from` and `weights`
/// beside it.
/// @param before  what the layer before it is called: where `from` names it alone, it is left out
Result<LayerSpec> layer_from_json(const JsonValue& value, std::string_view before);

/// Reads what a job may call a layer: a letter, then letters, digits, '_', '.' and '-'; or a layer's index.
Result<std::string> layer_name_from_json(const JsonValue& value);

}  // namespace consilium::model
