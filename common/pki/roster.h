#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/pki/authority.h"

namespace consilium::pki {

/// A member and the key it proves itself with.
struct RosterEntry {
  std::string name;
  std::string fingerprint;  ///< SHA-256 of the SubjectPublicKeyInfo, hex

  bool operator==(const RosterEntry&) const = default;
};

/// The members of a role whose certificates are in force (neither revoked nor ended), in order of name, each once.
[[nodiscard]] std::vector<RosterEntry> roster_of(const std::vector<Authority::Issued>& issued, Role role = Role::kSite);

/// Writes a roster as YAML that people can read aloud to each other: the file that sites get out of band.
[[nodiscard]] std::string roster_text(std::string_view consortium, const std::vector<RosterEntry>& sites,
                                      const std::vector<RosterEntry>& researchers = {});

}  // namespace consilium::pki
