#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "client/masking/ledger_file.h"
#include "common/roster/roster.h"

namespace consilium::masking {

/// A site whose ledger was lost or set back, before it adopts anything.
struct Restored {
  std::string site;
  std::uint64_t code = 0;  ///< from its request
  const roster::Roster& roster;
  LedgerContent own;  ///< GroupLedger::content_for() the site itself
};

/// Returns the members whose ledgers the site needs: every other member of each group that it is or was in, according
/// to its roster's histories and its own ledger. A group with a site that is no longer a member can't be summed over
/// again, so no ledger is needed for it.
[[nodiscard]] std::set<std::string> members_to_ask(const std::string& site, const roster::Roster& roster,
                                                   const LedgerContent& own);

/// Combines what the other members report into what the site adopts. kUnauthenticated if a file isn't signed by its
/// member in the roster. kFailedPrecondition, with a message that says what to do, if a file is for another site or
/// request, occurs twice, is missing, is older than the site's own ledger, or shows that its writer's ledger was set
/// back too. A lying member can close jobs to the site and raise numbers, but nothing that it says lets the site give a
/// vector again.
Result<Adoption> unite_ledgers(const std::vector<LedgerFile>& files, const Restored& restored);

}  // namespace consilium::masking
