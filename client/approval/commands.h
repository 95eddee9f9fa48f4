#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::approval {

/// Adds `jobs`, `show`, `approve`, `decline` and `releases`. They query the daemon that runs on the configuration's
/// state_dir. If none is running, they open its records themselves. The user's answers come from `in`, and output goes
/// to `out`. Both must outlive `app` and `action`.
void add_approval_commands(CLI::App& app, std::function<Result<int>()>& action, std::istream& in, std::ostream& out);

/// Formats an answer of the Desk for a person to read.
/// @param command  the command that was answered
[[nodiscard]] std::string answer_in_words(const std::string& command, const std::string& answer);

}  // namespace consilium::approval
