#pragma once

#include <vector>

#include "common/pki/authority.h"
#include "common/roster/roster.h"

namespace consilium::roster {

/// Lists the sites and researchers whose certificates are in force (neither revoked nor ended), from an authority's
/// records. The result is a roster with serial 0 and no populations. Operators and coordinators aren't members. Fails
/// with kDataLoss if a fingerprint in the records can't be read.
Result<Roster> members_of(const pki::Authority& authority);

}  // namespace consilium::roster
