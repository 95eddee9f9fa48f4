#pragma once

#include <vector>

#include "common/pki/authority.h"
#include "common/roster/roster.h"

namespace consilium::roster {

/// Lists the sites and researchers whose certificates are in force (neither revoked nor ended), from an authority's
/// book: a roster without populations, of serial 0. kDataLoss where a fingerprint in the book can't be read.
Result<Roster> members_of(const pki::Authority& authority);

}  // namespace consilium::roster
