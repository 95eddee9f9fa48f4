#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/error/error.h"
#include "common/roster/roster.h"
#include "common/roster/roster_change.h"

namespace consilium::policy {

/// Reads the roster that this site accepted last, from `state_dir`/roster.accepted; nothing where it has accepted none.
/// kInvalidArgument where the file is damaged.
Result<std::optional<roster::Roster>> read_accepted_roster(const std::filesystem::path& state_dir);

/// Checks that a roster may follow the one accepted last (roster::check_change), and keeps it as the one accepted: on
/// the disk, whatever crashes, before the call returns. The file doesn't belong in backups: an older one would allow
/// what the newer one refuses. Not thread-safe; one process a folder.
/// @param next    what client.yaml names; an empty roster (no file) is refused once one with populations was accepted
/// @param ledger  the groups over which this site has taken part in sums, by population
/// @param site    this site's name
/// Errors begin with "client.yaml: roster".
Result<void> accept_roster(const std::filesystem::path& state_dir, const roster::Roster& next,
                           const roster::LedgerGroups& ledger, const std::string& site,
                           roster::Departures departures = roster::Departures::kRefuse);

/// The checks of accept_roster(); keeps nothing.
Result<void> check_next_roster(const std::filesystem::path& state_dir, const roster::Roster& next,
                               const roster::LedgerGroups& ledger, const std::string& site,
                               roster::Departures departures = roster::Departures::kRefuse);

}  // namespace consilium::policy
