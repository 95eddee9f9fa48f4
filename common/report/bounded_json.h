#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "common/error/error.h"

namespace consilium::report {

/// Parses JSON from an untrusted source. Fails if the text isn't JSON or has more than `most_depth` levels of nesting,
/// because nlohmann-json uses a stack frame for each level when it frees or prints a value.
Result<nlohmann::json> parse_bounded_json(std::string_view text, int most_depth);

}  // namespace consilium::report
