#pragma once

#include <array>
#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::pki {

enum class Role { kCoordinator, kSite, kResearcher, kOperator };
/// Every role, in the order of the enumeration.
inline constexpr std::array<Role, 4> kRoles = {Role::kCoordinator, Role::kSite, Role::kResearcher, Role::kOperator};
[[nodiscard]] std::string_view name_of(Role role);
/// Reads "coordinator", "site", "researcher" or "operator".
Result<Role> role_from_name(std::string_view name);

/// The identity that a certificate proves: spiffe://<consortium>/<role>/<name>.
struct Identity {
  std::string consortium;
  Role role = Role::kSite;
  std::string name;

  bool operator==(const Identity&) const = default;
};

/// Checks that a name has 1 to 63 characters of [a-z0-9-] and begins and ends with a letter or digit. Such names are
/// safe in files, logs and URIs.
Result<void> check_name(std::string_view name);
[[nodiscard]] std::string to_uri(const Identity& identity);
Result<Identity> identity_from_uri(std::string_view uri);

}  // namespace consilium::pki
