#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Declares `roster` below `ca`. It lists the members in force, and with --consortium creates the roster that follows
/// the previous one. Stores its operation in `action`, as add_ca_command() does.
void add_ca_roster_command(CLI::App& ca, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::cli
