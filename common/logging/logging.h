#pragma once

#include <string>
#include <string_view>

#include "common/config/daemon_sections.h"

namespace consilium::logging {

/// Sets up the process's log on standard error. The format "text" is for people: one line for each event, with the time
/// in UTC, the level, the event's name and the message. "json" is for machines: one object a line, with the fields that
/// docs/hospital-it/logs.md describes. Call it before other threads start.
/// @param site  a client's own name, which its JSON lines contain
void configure(std::string_view program, const config::LogConfig& config, const std::string& site = {});

/// Changes the level and the format while the program runs. Thread-safe.
void change(const config::LogConfig& config);

}  // namespace consilium::logging
