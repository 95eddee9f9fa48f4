#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "common/error/error.h"

namespace consilium::report {

/// Parses JSON that somebody else wrote. Fails where it is no JSON, or nested more than `most_depth` levels deep:
/// nlohmann-json takes a stack frame for each level when it frees or prints a value.
Result<nlohmann::json> parse_bounded_json(std::string_view text, int most_depth);

}  // namespace consilium::report
