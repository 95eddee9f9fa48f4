#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `roster` with `check`, `consent` and `accept`, the steps that a hospital takes with a new roster file
/// before its daemon uses it. If the command line names one of them, `action` is set to a function that runs it and
/// returns the exit code (0: acceptable, 1: not). `action` must outlive `app`. The command prints to `out`, which must
/// outlive both.
void add_roster_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
