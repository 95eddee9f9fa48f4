#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Declares `kit` and `admit` below `ca`. `kit` makes the folders that hospitals get before they have a key, and
/// `admit` makes the answers to all members' requests. They store their operations in `action`, as add_ca_command()
/// does.
void add_ca_kit_commands(CLI::App& ca, std::function<Result<int>()>& action, std::istream& in, std::ostream& out);

}  // namespace consilium::cli
