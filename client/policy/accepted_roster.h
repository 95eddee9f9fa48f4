#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/error/error.h"
#include "common/roster/roster.h"
#include "common/roster/roster_change.h"

namespace consilium::policy {

/// Reads the roster that this site last accepted, from `state_dir`/roster.accepted. Returns nullopt if it has accepted
/// none. kInvalidArgument if the file is damaged.
Result<std::optional<roster::Roster>> read_accepted_roster(const std::filesystem::path& state_dir);

/// Checks that a roster may follow the last accepted one (roster::check_change), and stores it as the accepted one. It
/// is on disk before the call returns, so it survives a crash. The file doesn't belong in backups, because an older one
/// would allow what the newer one refuses. Not thread-safe; only one process may use a folder.
/// @param next    the roster that client.yaml names; an empty roster (no file) is refused once one with populations was
///                accepted
/// @param ledger  the groups over which this site has taken part in sums, by population
/// @param site    this site's name
/// Errors begin with "client.yaml: roster".
Result<void> accept_roster(const std::filesystem::path& state_dir, const roster::Roster& next,
                           const roster::LedgerGroups& ledger, const std::string& site,
                           roster::Departures departures = roster::Departures::kRefuse);

/// Performs the checks of accept_roster() without storing anything.
Result<void> check_next_roster(const std::filesystem::path& state_dir, const roster::Roster& next,
                               const roster::LedgerGroups& ledger, const std::string& site,
                               roster::Departures departures = roster::Departures::kRefuse);

}  // namespace consilium::policy
