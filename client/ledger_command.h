#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `ledger request|export|adopt`. With these commands, a site whose record of masked jobs was lost, or was
/// restored from a backup, rejoins the federation by means of the other members' ledgers.
void add_ledger_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
