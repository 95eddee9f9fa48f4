#include "common/pki/roster.h"

#include <ctime>
#include <map>

#include "common/pki/index.h"

namespace consilium::pki {
namespace {

void write_entries(std::string_view key, const std::vector<RosterEntry>& entries, std::string& text) {
  text.append(key).append(entries.empty() ? ": []\n" : ":\n");
  for (const RosterEntry& entry : entries) {
    text += "  - name: \"" + entry.name + "\"\n    fingerprint: \"" + entry.fingerprint + "\"\n";
  }
}

}  // namespace

std::vector<RosterEntry> roster_of(const std::vector<Authority::Issued>& issued, Role role) {
  const std::string now = to_iso(std::time(nullptr));  // ISO 8601 in UTC sorts as time does
  std::map<std::string, std::string> keys;
  for (const Authority::Issued& entry : issued) {
    if (entry.identity.role == role && !entry.revoked && entry.not_after > now) {
      keys[entry.identity.name] = entry.fingerprint;
    }
  }
  std::vector<RosterEntry> roster;
  for (const auto& [name, fingerprint] : keys) {
    roster.push_back({name, fingerprint});
  }
  return roster;
}

std::string roster_text(std::string_view consortium, const std::vector<RosterEntry>& sites,
                        const std::vector<RosterEntry>& researchers) {
  std::string text = "# Members of the consortium and the SHA-256 fingerprints of their keys.\n";
  text += "# Compare each with what its owner says over another channel.\n";
  text += "consortium: \"" + std::string(consortium) + "\"\n";
  write_entries("sites", sites, text);
  if (!researchers.empty()) write_entries("researchers", researchers, text);
  return text;
}

}  // namespace consilium::pki
