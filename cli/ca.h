#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Declares `ca` with init, kit, admit, sign, list, revoke, renew-list, roster and request. The subcommand on the
/// command line stores its operation in `action` (its value is the exit code). `action` must outlive `app`. The user's
/// answers come from `in` and output goes to `out`. Both must outlive `app` and `action`.
void add_ca_command(CLI::App& app, std::function<Result<int>()>& action, std::istream& in, std::ostream& out);

}  // namespace consilium::cli
