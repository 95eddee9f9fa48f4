#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `join`, which sets up a hospital's client from a kit (`consilium ca kit`) and from the authority's answer.
/// If the command line names it, it stores its operation in `action` (its value is the exit code). `action` must
/// outlive `app`. The user's answers come from `in`, and output goes to `out`. Both must outlive `app` and `action`.
/// @param terminal  whether a person can answer. If not, the command stops at its first question, unless --compared
/// answers it
void add_join_command(CLI::App& app, std::function<Result<int>()>& action, std::istream& in, std::ostream& out,
                      bool terminal);

}  // namespace consilium::client
