#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/roster/roster.h"

/// The rules for what roster may follow another. A site checks them when its roster file changes, and `consilium ca
/// roster` checks them too.
namespace consilium::roster {

/// For each population, the groups over which a site has taken part in sums, from the site's own ledger.
using LedgerGroups = std::map<std::string, std::vector<Group>>;

/// A roster, and the one that it is to follow.
struct Change {
  const Roster* known = nullptr;  ///< the last roster accepted; nullptr if `next` is the first
  const Roster& next;
  LedgerGroups ledger{};
  std::string site{};  ///< this site; "" for the authority, which has no cell of its own
};

/// The sites of a cell whose sum others could compute after a change.
struct Exposure {
  std::string population;
  Group cell;            ///< the exposed sites
  Group missing;         ///< the sites of the cell without a valid signature
  bool leaving = false;  ///< relies on an earlier `may-leave`: a person must accept the departure
};

/// Checks the rules that no consent lifts. The consortium is the same, and the serial is higher. Neither c nor
/// `examples` is lowered. Modes, the populations of data sets, and histories are kept. The history contains every group
/// of the ledger. The keys of all sites in a history are the same or their signed successors (check_site_keys). A
/// roster that differs from the known one only in its consents passes, and so does one without populations after
/// another one without, unless its serial is lower. Fails with kFailedPrecondition, naming the key.
Result<void> check_rules(const Change& change);

/// Finds the cells of fewer than c + 2 sites that a change creates in populations of mode `masked`, and which of their
/// sites have signed. A cell counts if it is new, if it was large enough under the known c, or if it returns to a group
/// in force. If no roster is known, only the cell of this site counts. Call check_rules() first.
[[nodiscard]] std::vector<Exposure> find_exposures(const Change& change);

/// Describes how others could compute the sum of an exposed cell: "population chest: west's part would be ...".
[[nodiscard]] std::string describe(const Roster& next, const Exposure& exposure);

/// Says whether a person at this site has accepted the departure of sites that had signed `may-leave`.
enum class Departures { kRefuse, kAccept };
/// Checks the rules, and that every site of every exposed cell has signed. Fails with kFailedPrecondition if a rule is
/// broken, and with kPermissionDenied if a signature or the acceptance is missing. The message says who could compute
/// what.
Result<void> check_change(const Change& change, Departures departures);

/// Returns the key that must have signed a site's consent: the site's key in the known roster (or its last key, if it
/// has left), or its key in the next roster if the site is new. Returns nullptr if neither roster has the site.
[[nodiscard]] const crypto::Digest* consent_key(const Change& change, const std::string& site);

/// Describes who joins, who leaves and who gets another key, on one line each. People compare these lines by telephone.
[[nodiscard]] std::vector<std::string> member_changes(const Change& change);

}  // namespace consilium::roster
