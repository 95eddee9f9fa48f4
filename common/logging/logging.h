#pragma once

#include <string_view>

#include "common/config/daemon_sections.h"

namespace consilium::logging {

/// Sets up the process's log on standard error, either as text for people ("text") or for machines ("json": one object
/// a line with time, level, program and message).
void configure(std::string_view program, const config::LogConfig& config);

}  // namespace consilium::logging
