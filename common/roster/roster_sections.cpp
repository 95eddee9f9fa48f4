#include "common/roster/roster_sections.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "common/encoding/hex.h"
#include "common/roster/roster_file.h"

namespace consilium::roster {
namespace {

using config::Section;
using config::Value;

/// The longest certificate and signature, in characters of the file.
constexpr std::size_t kMostCertificateText = 4096;
constexpr std::size_t kMostSignatureText = 256;

bool is_base64(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=';
  });
}

Result<Consent> read_consent(const Value& value) {
  Consent consent;
  std::string signature;
  Section section(value, {"kind", "site", "population", "serial", "history", "certificate", "signature"}, {});
  section.choice("kind", consent.kind, {{"change", ConsentKind::kChange}, {"may-leave", ConsentKind::kMayLeave}});
  section.name("site", consent.site);
  section.name("population", consent.population);
  section.integer("serial", consent.serial, {.low = 1, .high = std::numeric_limits<std::int64_t>::max()});
  section.integer("history", consent.history, {.low = 1, .high = kMaxHistory});
  section.text("certificate", consent.certificate, kMostCertificateText);
  section.text("signature", signature, kMostSignatureText);
  CONSILIUM_TRY(section.result());
  if (!is_base64(consent.certificate))
    return fail(section.at("certificate").expected("a certificate's DER in base64, in one line"));
  auto bytes = encoding::bytes_from_hex(signature);
  if (!bytes) return fail(section.at("signature").expected("a signature in lower-case hexadecimal digits"));
  consent.signature = std::move(*bytes);
  return consent;
}

Result<Succession> read_succession(const Value& value) {
  Succession succession;
  std::string key;
  std::string successor;
  std::string signature;
  Section section(value, {"site", "serial", "key", "successor", "certificate", "signature"}, {});
  section.name("site", succession.site);
  section.integer("serial", succession.serial, {.low = 1, .high = std::numeric_limits<std::int64_t>::max()});
  section.text("key", key);
  section.text("successor", successor);
  section.text("certificate", succession.certificate, kMostCertificateText);
  section.text("signature", signature, kMostSignatureText);
  CONSILIUM_TRY(section.result());
  const auto old_key = crypto::digest_from_hex(key);
  if (!old_key) return fail(section.at("key").expected("the fingerprint of a key: 64 hexadecimal digits"));
  const auto new_key = crypto::digest_from_hex(successor);
  if (!new_key) return fail(section.at("successor").expected("the fingerprint of a key: 64 hexadecimal digits"));
  succession.key = *old_key;
  succession.successor = *new_key;
  if (!is_base64(succession.certificate))
    return fail(section.at("certificate").expected("a certificate's DER in base64, in one line"));
  auto bytes = encoding::bytes_from_hex(signature);
  if (!bytes) return fail(section.at("signature").expected("a signature in lower-case hexadecimal digits"));
  succession.signature = std::move(*bytes);
  return succession;
}

}  // namespace

const config::Choices<Mode>& mode_choices() {
  static const config::Choices<Mode> choices{{name_of(Mode::kMasked), Mode::kMasked},
                                             {name_of(Mode::kMaskedThreshold), Mode::kMaskedThreshold},
                                             {name_of(Mode::kPlain), Mode::kPlain}};
  return choices;
}

Result<std::vector<std::string>> read_datasets(const Value& value, const std::string& population,
                                               DatasetOwners& owners) {
  CONSILIUM_ASSIGN(std::vector<std::string> names, value.names(1, kMaxPopulations));
  for (const std::string& name : names) {
    const auto [owner, first] = owners.emplace(name, population);
    if (!first)
      return fail(value.problem(fmt::format("data set '{}' is already in population '{}'", name, owner->second)));
  }
  return names;
}

Result<std::vector<Group>> read_groups(const Value& value, std::size_t least, const std::string& why) {
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(kMaxHistory));
  std::vector<Group> groups;
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(Group group, item.names(0, kMaxRosterSites));
    if (group.size() < least)
      return fail(item.problem(fmt::format("expected at least {} sites ({}), found {}", least, why, group.size())));
    const auto unsorted = std::is_sorted_until(group.begin(), group.end());
    if (unsorted != group.end()) {
      const std::string found = fmt::format("found '{}' after '{}'", *unsorted, unsorted[-1]);
      std::sort(group.begin(), group.end());
      return fail(item.problem(
          fmt::format("expected names in alphabetical order, {}; write [{}]", found, fmt::join(group, ", "))));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

Result<void> check_in_force(const Value& value, const std::vector<Group>& groups,
                            const std::map<std::string, crypto::Digest>& sites) {
  std::set<std::string> taken;
  for (const Group& group : groups) {
    for (const std::string& site : group) {
      if (!sites.contains(site)) return fail(value.problem("'" + site + "' isn't one of the sites"));
      if (!taken.insert(site).second) return fail(value.problem("site '" + site + "' is in two groups"));
    }
  }
  return {};
}

Result<std::vector<Consent>> read_consent_list(const Value& value) {
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(kMaxConsents));
  std::vector<Consent> consents;
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(Consent consent, read_consent(item));
    consents.push_back(std::move(consent));
  }
  return consents;
}

Result<std::vector<Succession>> read_succession_list(const Value& value) {
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(kMaxSuccessions));
  std::vector<Succession> successions;
  std::map<std::string, std::uint64_t> last;
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(Succession one, read_succession(item));
    std::uint64_t& serial = last[one.site];
    if (one.serial <= serial)
      return fail(item.problem(
          fmt::format("serial: expected more than {}, the serial of the site's previous succession, found {}", serial,
                      one.serial)));
    serial = one.serial;
    successions.push_back(std::move(one));
  }
  return successions;
}

std::size_t fewest_in_group(std::uint32_t colluding) { return 2 * std::size_t{colluding} + 1; }

std::string fewest_reason(std::uint32_t colluding) { return fmt::format("2c + 1 with colluding: {}", colluding); }

}  // namespace consilium::roster
