#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/error/error.h"
#include "common/model/json_value.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Writes an operation's settings with every default spelled out. Returns null if it has none and is written as a bare
/// word.
[[nodiscard]] nlohmann::json settings_of(const Operation& operation);

/// Reads an operation from its word and settings. Null settings stand for those of a bare word.
/// @param value  the layer, whose path errors start with
Result<Operation> operation_from_json(const std::string& word, const nlohmann::json* settings, const JsonValue& value);

}  // namespace consilium::model
