#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `enroll`, which generates a site's key and certificate request. If the command line names it, `action` is
/// set to a function that runs the command and returns the exit code. `action` must outlive `app`. The command prints
/// to `out`, which must outlive both.
void add_enroll_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
