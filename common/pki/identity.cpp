#include "common/pki/identity.h"

namespace consilium::pki {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::size_t kMaxNameLength = 63;

bool is_letter_or_digit(char letter) { return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9'); }

/// Makes hostile text safe for a message: short, and only printable ASCII.
std::string shown(std::string_view text) {
  std::string safe;
  for (const char letter : text.substr(0, 80)) {
    safe.push_back(letter >= 0x20 && letter < 0x7f ? letter : '?');
  }
  return text.size() > 80 ? safe + "..." : safe;
}

}  // namespace

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kCoordinator:
      return "coordinator";
    case Role::kSite:
      return "site";
    case Role::kResearcher:
      return "researcher";
    case Role::kOperator:
      return "operator";
  }
  return "unknown";
}

Result<Role> role_from_name(std::string_view name) {
  for (const Role role : kRoles) {
    if (name == name_of(role)) {
      return role;
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              "'" + shown(name) + "' is not a role; expected coordinator, site, researcher or operator");
}

Result<void> check_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= kMaxNameLength && is_letter_or_digit(name.front()) &&
              is_letter_or_digit(name.back());
  for (const char letter : name.substr(0, kMaxNameLength)) {
    good = good && (is_letter_or_digit(letter) || letter == '-');
  }
  if (!good) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + shown(name) +
                    "' is not a name; expected 1 to 63 of a-z, 0-9 and '-', beginning and ending with a "
                    "letter or digit");
  }
  return {};
}

std::string to_uri(const Identity& identity) {
  return std::string(kScheme) + identity.consortium + "/" + std::string(name_of(identity.role)) + "/" + identity.name;
}

Result<Identity> identity_from_uri(std::string_view uri) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + shown(uri) + "' is not an identity (" + std::string(why) +
                    "); expected spiffe://<consortium>/<coordinator|site|researcher|operator>/<name>");
  };
  if (!uri.starts_with(kScheme)) {
    return refuse("it does not begin with spiffe://");
  }
  const std::string_view rest = uri.substr(kScheme.size());
  const std::size_t first = rest.find('/');
  const std::size_t second = first == std::string_view::npos ? first : rest.find('/', first + 1);
  if (second == std::string_view::npos) {
    return refuse("a part is missing");
  }
  const std::string_view consortium = rest.substr(0, first);
  const std::string_view name = rest.substr(second + 1);
  const auto role = role_from_name(rest.substr(first + 1, second - first - 1));
  if (!role) {
    return refuse("unknown role");
  }
  if (!check_name(consortium) || !check_name(name)) {
    return refuse("a name has a character that is not allowed");
  }
  return Identity{std::string(consortium), *role, std::string(name)};
}

}  // namespace consilium::pki
