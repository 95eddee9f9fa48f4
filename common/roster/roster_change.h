#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/roster/roster.h"

/// What may follow what: the checks of a site when its roster file changes, and of `consilium ca roster`.
namespace consilium::roster {

/// By population, the groups over which a site has taken part in sums, from its own ledger.
using LedgerGroups = std::map<std::string, std::vector<Group>>;

/// A roster that may follow another one.
struct Change {
  const Roster* known = nullptr;  ///< the last one accepted; nullptr where `next` is the first
  const Roster& next;
  LedgerGroups ledger{};
  std::string site{};  ///< this site; "" for the authority, which has no cell of its own
};

/// Sites whose part of a sum others could compute after a change.
struct Exposure {
  std::string population;
  Group cell;            ///< the exposed sites
  Group missing;         ///< those of the cell without a valid signature
  bool leaving = false;  ///< relies on a `may-leave` that was signed beforehand: a person has to accept the departure
};

/// Checks the rules that no consent lifts: the same consortium, a higher serial, c and `examples` not lowered, modes,
/// data sets' populations and histories kept, every group of the ledger in the history, the keys of all sites in a
/// history the same or their signed successors (check_site_keys). The same roster again passes,
/// and so does a roster without populations after another one without. kFailedPrecondition, with the key.
Result<void> check_rules(const Change& change);

/// Finds the cells of fewer than c + 2 sites that a change makes, in populations of mode `masked`, and who of each has
/// signed. A cell counts that is new or that was large enough under the known c, and one that comes back into a group
/// in force. Where no roster is known, only the cell of this site counts. Assumes check_rules().
[[nodiscard]] std::vector<Exposure> find_exposures(const Change& change);

/// Says in words how others could compute the sum of an exposed cell: "population chest: west's part would be ...".
[[nodiscard]] std::string describe(const Roster& next, const Exposure& exposure);

/// Whether a person at this site has agreed to the departure of sites that had signed `may-leave`.
enum class Departures { kRefuse, kAccept };
/// Checks the rules, and that each site of each exposed cell has signed. kFailedPrecondition for a broken rule,
/// kPermissionDenied for a missing signature or acceptance; the message says in words who could compute what.
Result<void> check_change(const Change& change, Departures departures);

/// The key that a site's consent must be signed with: that of the known roster (the last one of a site that has left),
/// or of the next one where the site is new; nullptr where neither has the site.
[[nodiscard]] const crypto::Digest* consent_key(const Change& change, const std::string& site);

/// Says in words who joins, who leaves and who gets another key, one line each: what people compare by telephone.
[[nodiscard]] std::vector<std::string> member_changes(const Change& change);

}  // namespace consilium::roster
