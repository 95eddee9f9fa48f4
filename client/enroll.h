#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `enroll`: makes a site's key and certificate request. When the command line names it, what it does is put
/// into `action` (its value is the exit code), which outlives `app`; what it prints goes to `out`, which outlives both.
void add_enroll_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
