#pragma once

#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::logging {

/// Sets up the process's log on standard error, for people ("text") or machines ("json": one object a line with time,
/// level, program and message).
/// @param level  "debug", "info", "warning" or "error"
Result<void> configure(std::string_view program, std::string_view level, std::string_view format);

}  // namespace consilium::logging
