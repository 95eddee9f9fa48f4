#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Returns the JSON that a job's `model:` section would hold (canonical: one spec, one text).
[[nodiscard]] nlohmann::json to_json(const ModelSpec& spec);

/// Reads what to_json() wrote. The input may be hostile: unknown keys, wrong types and absurd sizes are refused with
/// their path.
Result<ModelSpec> model_from_json(const nlohmann::json& json);

}  // namespace consilium::model
