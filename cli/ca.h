#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Declares `ca` with init, sign, list, revoke, roster and request. The subcommand on the command line stores its
/// operation in `action` (its value is the exit code). `action` must outlive `app`. Output goes to `out`, which must
/// outlive both.
void add_ca_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::cli
