#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "common/error/error.h"
#include "common/model/json_value.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Writes one element of `layers`, with every default of its operation spelled out.
[[nodiscard]] nlohmann::json layer_to_json(const LayerSpec& layer);

/// Reads one element of `layers`: a word, or a map of one word to its settings, which may also have `name`, `from` and
/// `weights`.
/// @param before  name of the preceding layer; a `from` that names only this layer is dropped
Result<LayerSpec> layer_from_json(const JsonValue& value, std::string_view before);

/// Reads a layer's name in a job: a letter, followed by letters, digits, '_', '.' and '-'; or a layer's index.
Result<std::string> layer_name_from_json(const JsonValue& value);

}  // namespace consilium::model
