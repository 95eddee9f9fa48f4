#include "common/roster/roster_file.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/config/scalars.h"
#include "common/roster/roster_sections.h"

namespace consilium::roster {
namespace {

using config::Section;
using config::Value;

using Owners = std::map<crypto::Digest, std::string>;
using Keys = std::map<std::string, crypto::Digest>;

/// The smallest group of a history: each was in force under some c, and c is at least 1.
constexpr std::size_t kFewestEver = 3;

Result<void> read_member(const Value& value, Keys& members, Owners& owners) {
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

Result<void> read_members(const Value& value, Keys& members, Owners& owners) {
  if (!value.present()) return {};
  CONSILIUM_ASSIGN(const std::vector<Value> entries, value.items(kMaxRosterSites));
  for (const Value& entry : entries) CONSILIUM_TRY(read_member(entry, members, owners));
  return {};
}

/// Checks that a history lists each group only once, and includes every group in force.
Result<void> check_history(const Section& section, const Population& population) {
  std::set<Group> seen;
  for (std::size_t i = 0; i < population.history.size(); ++i) {
    if (!seen.insert(population.history[i]).second)
      return fail(section.at("history").problem(fmt::format("group {} is listed twice", i + 1)));
  }
  for (std::size_t i = 0; i < population.groups.size(); ++i) {
    if (!seen.contains(population.groups[i]))
      return fail(section.at("history").problem(fmt::format(
          "group {} of `groups` is missing: the history lists every group, including those in force", i + 1)));
  }
  return {};
}

Result<Population> read_population(const std::string& name, const Value& value, const Roster& roster,
                                   DatasetOwners& owners) {
  Population population;
  population.name = name;
  if (!config::is_name(name))
    return fail(value.problem(fmt::format("this is not a name for a population; expected {}", config::kNameRule)));
  Section section(value, {"datasets", "mode", "examples", "groups", "history"}, {});
  section.choice("mode", population.mode, mode_choices());
  section.integer("examples", population.examples, {.low = 1, .high = kMaxExamples});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(population.datasets, read_datasets(section.at("datasets"), name, owners));
  CONSILIUM_ASSIGN(population.groups, read_groups(section.at("groups"), fewest_in_group(roster.colluding),
                                                  fewest_reason(roster.colluding)));
  CONSILIUM_TRY(check_in_force(section.at("groups"), population.groups, roster.sites));
  CONSILIUM_ASSIGN(population.history, read_groups(section.at("history"), kFewestEver, "no group was ever smaller"));
  CONSILIUM_TRY(check_history(section, population));
  return population;
}

Result<void> read_populations(const Value& value, Roster& roster) {
  if (!value.present()) return {};
  CONSILIUM_ASSIGN(const auto entries, value.pairs(kMaxPopulations));
  if (!entries.empty() && roster.serial == 0)
    return fail(value.problem("a roster with populations needs a `serial` of at least 1"));
  DatasetOwners owners;
  for (const auto& [name, entry] : entries) {
    CONSILIUM_ASSIGN(Population population, read_population(name, entry, roster, owners));
    roster.populations.push_back(std::move(population));
  }
  std::sort(roster.populations.begin(), roster.populations.end(),
            [](const Population& a, const Population& b) { return a.name < b.name; });
  return {};
}

/// Reads the keys of sites that have left. Another site may have such a key now.
Result<void> read_former(const Value& value, Roster& roster) {
  Owners owners;
  CONSILIUM_TRY(read_members(value, roster.former, owners));
  for (const auto& [name, key] : roster.former) {
    if (roster.sites.contains(name)) return fail(value.problem("'" + name + "' is one of the sites"));
  }
  return {};
}

Result<Roster> from_root(const Value& root) {
  Roster roster;
  Section section(root, {"consortium", "sites"},
                  {"serial", "colluding", "researchers", "populations", "consents", "former", "successions"});
  section.name("consortium", roster.consortium);
  section.integer("serial", roster.serial, {.low = 0, .high = std::numeric_limits<std::int64_t>::max()});
  section.integer("colluding", roster.colluding, {.low = 1, .high = kMaxColluding});
  CONSILIUM_TRY(section.result());
  Owners owners;
  CONSILIUM_TRY(read_members(section.at("sites"), roster.sites, owners));
  CONSILIUM_TRY(read_members(section.at("researchers"), roster.researchers, owners));
  CONSILIUM_TRY(read_populations(section.at("populations"), roster));
  if (section.has("consents")) {
    CONSILIUM_ASSIGN(roster.consents, read_consent_list(section.at("consents")));
  }
  CONSILIUM_TRY(read_former(section.at("former"), roster));
  if (section.has("successions")) {
    CONSILIUM_ASSIGN(roster.successions, read_succession_list(section.at("successions")));
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

Result<std::string> roster_json(const Roster& roster) {
  CONSILIUM_ASSIGN(const Value root, config::parse(roster_text(roster), "roster", {}, {.bytes = kMaxRosterBytes}));
  return root.json().dump() + "\n";
}

}  // namespace consilium::roster
