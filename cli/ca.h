#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Declares `ca` with init, sign, list, revoke, roster and request. The one that the command line names puts what it
/// does into `action` (its value is the exit code), which outlives `app`; what it prints goes to `out`, which outlives
/// both.
void add_ca_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::cli
