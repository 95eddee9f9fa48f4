#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Declares `roster` below `ca`: lists the members in force, and with --consortium makes the roster that follows the
/// previous one. What it does goes into `action`, as in add_ca_command().
void add_ca_roster_command(CLI::App& ca, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::cli
