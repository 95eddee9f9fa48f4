#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "client/masking/ledger_file.h"
#include "common/roster/roster.h"

namespace consilium::masking {

/// A site whose ledger was lost or set back, as it stands before it adopts anything.
struct Restored {
  std::string site;
  std::uint64_t code = 0;  ///< of its request
  const roster::Roster& roster;
  LedgerContent own;  ///< GroupLedger::content_for() itself
};

/// Whose ledgers the site needs: every other member of each group that it is or was in, by its roster's histories and
/// its own ledger. A group with a site that is no member any more can't be summed over again, and asks nobody.
[[nodiscard]] std::set<std::string> members_to_ask(const std::string& site, const roster::Roster& roster,
                                                   const LedgerContent& own);

/// Unites what the other members say into what the site adopts. kUnauthenticated where a file isn't signed by its
/// member of the roster; kFailedPrecondition, in words that say what to do, where a file is for another site or
/// request, comes twice, is missing, is older than the site's own ledger, or shows that its writer's ledger was set
/// back too. One who lies can close jobs to the site and raise numbers; nothing that it says lets the site give a
/// vector again.
Result<Adoption> unite_ledgers(const std::vector<LedgerFile>& files, const Restored& restored);

}  // namespace consilium::masking
