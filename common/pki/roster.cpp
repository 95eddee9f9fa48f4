#include "common/pki/roster.h"

#include <ctime>
#include <map>

#include "common/pki/index.h"

namespace consilium::pki {

std::vector<RosterEntry> roster_of(const std::vector<Authority::Issued>& issued) {
  const std::string now = to_iso(std::time(nullptr));  // ISO 8601 in UTC sorts as time does
  std::map<std::string, std::string> keys;
  for (const Authority::Issued& entry : issued) {
    if (entry.identity.role == Role::kSite && !entry.revoked && entry.not_after > now) {
      keys[entry.identity.name] = entry.fingerprint;
    }
  }
  std::vector<RosterEntry> roster;
  for (const auto& [name, fingerprint] : keys) {
    roster.push_back({name, fingerprint});
  }
  return roster;
}

std::string roster_text(std::string_view consortium, const std::vector<RosterEntry>& roster) {
  std::string text = "# Sites of the consortium and the SHA-256 fingerprints of their keys.\n";
  text += "# Compare each with what its hospital says over another channel.\n";
  text += "consortium: \"" + std::string(consortium) + "\"\n";
  text += roster.empty() ? "sites: []\n" : "sites:\n";
  for (const RosterEntry& entry : roster) {
    text += "  - name: \"" + entry.name + "\"\n    fingerprint: \"" + entry.fingerprint + "\"\n";
  }
  return text;
}

}  // namespace consilium::pki
