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
/// outlive `app`. Output goes to `out`, which must outlive both.
void add_join_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
