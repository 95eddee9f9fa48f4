#include "common/roster/members.h"

#include <ctime>

#include "common/pki/index.h"

namespace consilium::roster {

Result<Roster> members_of(const pki::Authority& authority) {
  Roster roster;
  roster.consortium = authority.consortium();
  const std::string now = pki::to_iso(std::time(nullptr));  // ISO 8601 in UTC sorts chronologically
  CONSILIUM_ASSIGN(const std::vector<pki::Authority::Issued> issued, authority.list());
  for (const pki::Authority::Issued& entry : issued) {
    const bool site = entry.identity.role == pki::Role::kSite;
    if (!site && entry.identity.role != pki::Role::kResearcher) continue;
    if (entry.revoked || entry.not_after <= now) continue;
    const auto key = crypto::digest_from_hex(entry.fingerprint);
    if (!key)
      return fail(ErrorCode::kDataLoss, "index.json: '" + entry.identity.name + "' has no readable fingerprint");
    (site ? roster.sites : roster.researchers)[entry.identity.name] = *key;
  }
  return roster;
}

}  // namespace consilium::roster
