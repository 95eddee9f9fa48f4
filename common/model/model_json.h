#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Writes a spec as the JSON that a job's `model:` section would hold (canonical: one spec, one text).
[[nodiscard]] nlohmann::json to_json(const ModelSpec& spec);

/// Reads what to_json() wrote. Hostile input: unknown keys, wrong types and absurd sizes are refused, the path named.
Result<ModelSpec> model_from_json(const nlohmann::json& json);

}  // namespace consilium::model
