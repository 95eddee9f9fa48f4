#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `ledger request|export|adopt`: how a site whose memory of masked jobs was lost, or put back from a backup,
/// returns with the ledgers of the other members.
void add_ledger_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
