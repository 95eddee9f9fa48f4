#include "common/pki/roster_file.h"

#include "common/config/section.h"

namespace consilium::pki {
namespace {

using config::Section;
using config::Value;

using Owners = std::map<crypto::Digest, std::string>;

Result<void> read_entry(const Value& value, std::map<std::string, crypto::Digest>& members, Owners& owners) {
  Section section(value, {"name", "fingerprint"}, {});
  std::string name;
  std::string hex;
  section.name("name", name);
  section.text("fingerprint", hex);
  CONSILIUM_TRY(section.result());
  const auto key = crypto::digest_from_hex(hex);
  if (!key) return fail(section.at("fingerprint").expected("the fingerprint of a key: 64 hexadecimal digits"));
  if (!members.emplace(name, *key).second) return fail(section.at("name").problem("'" + name + "' is listed twice"));
  const auto [owner, first] = owners.emplace(*key, name);
  if (!first) return fail(section.at("fingerprint").problem("'" + owner->second + "' has the same key"));
  return {};
}

Result<Roster> from_root(const Value& root) {
  Roster roster;
  Section section(root, {"consortium", "sites"}, {"researchers"});
  section.name("consortium", roster.consortium);
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(const std::vector<Value> entries, section.at("sites").items(kMaxRosterSites));
  Owners owners;
  for (const Value& entry : entries) CONSILIUM_TRY(read_entry(entry, roster.keys, owners));
  if (section.has("researchers")) {
    CONSILIUM_ASSIGN(const std::vector<Value> people, section.at("researchers").items(kMaxRosterSites));
    for (const Value& person : people) CONSILIUM_TRY(read_entry(person, roster.researchers, owners));
  }
  return roster;
}

}  // namespace

Result<Roster> read_roster(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const Value root, config::read(file, {.bytes = kMaxRosterBytes}));
  return from_root(root);
}

Result<Roster> parse_roster(std::string_view text, std::string_view source) {
  CONSILIUM_ASSIGN(const Value root, config::parse(text, source, {}, {.bytes = kMaxRosterBytes}));
  return from_root(root);
}

}  // namespace consilium::pki
