#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `roster` with check, consent and accept: what a hospital does with a new roster file before its daemon gets
/// it. The one that the command line names puts what it does into `action` (its value is the exit code: 0 acceptable, 1
/// not), which outlives `app`; what it prints goes to `out`, which outlives both.
void add_roster_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
