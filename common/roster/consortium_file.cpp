#include "common/roster/consortium_file.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "common/config/scalars.h"
#include "common/roster/exposure.h"
#include "common/roster/roster_change.h"
#include "common/roster/roster_file.h"
#include "common/roster/roster_sections.h"
#include "common/roster/succession.h"

namespace consilium::roster {
namespace {

using config::Section;
using config::Value;

/// Up to this many sites form one group.
constexpr std::size_t kMostInOneGroup = 10;

Result<PopulationPlan> read_plan(const std::string& name, const Value& value, std::uint32_t colluding,
                                 const Roster& members, DatasetOwners& owners) {
  PopulationPlan plan;
  plan.name = name;
  if (!config::is_name(name))
    return fail(value.problem(fmt::format("this is not a name for a population; expected {}", config::kNameRule)));
  Section section(value, {"datasets", "examples"}, {"mode", "groups"});
  section.choice("mode", plan.mode, mode_choices());
  section.integer("examples", plan.examples, {.low = 1, .high = kMaxExamples});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(plan.datasets, read_datasets(section.at("datasets"), name, owners));
  if (!section.has("groups")) return plan;
  CONSILIUM_ASSIGN(std::vector<Group> groups,
                   read_groups(section.at("groups"), fewest_in_group(colluding), fewest_reason(colluding)));
  CONSILIUM_TRY(check_in_force(section.at("groups"), groups, members.sites));
  plan.groups = std::move(groups);
  return plan;
}

Result<Consortium> from_root(const Value& root, const Roster& members) {
  Consortium consortium;
  Section section(root, {"populations"}, {"colluding"});
  section.integer("colluding", consortium.colluding, {.low = 1, .high = kMaxColluding});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(const auto entries, section.at("populations").pairs(kMaxPopulations));
  DatasetOwners owners;
  for (const auto& [name, entry] : entries) {
    CONSILIUM_ASSIGN(PopulationPlan plan, read_plan(name, entry, consortium.colluding, members, owners));
    consortium.populations.push_back(std::move(plan));
  }
  std::sort(consortium.populations.begin(), consortium.populations.end(),
            [](const PopulationPlan& a, const PopulationPlan& b) { return a.name < b.name; });
  return consortium;
}

std::set<std::string> sites_of(const std::vector<Group>& groups) {
  std::set<std::string> sites;
  for (const Group& group : groups) sites.insert(group.begin(), group.end());
  return sites;
}

/// Returns the groups of a population for which the plan states none.
std::vector<Group> planned_groups(const Roster& members, const Population& before, std::uint32_t colluding,
                                  std::vector<std::string>& notes) {
  std::vector<Group> groups;
  for (const Group& group : before.groups) {
    const auto gone = std::find_if(group.begin(), group.end(),
                                   [&](const std::string& site) { return !members.sites.contains(site); });
    if (gone == group.end()) {
      groups.push_back(group);
    } else {
      notes.push_back(fmt::format("Population {}: the group {} closes, because {} is no longer a member.", before.name,
                                  set_text(group), *gone));
    }
  }
  const std::set<std::string> seen = sites_of(before.history);
  std::vector<std::string> newcomers;
  for (const auto& [site, key] : members.sites) {
    if (!seen.contains(site)) newcomers.push_back(site);
  }
  for (Group& group : default_groups(newcomers, colluding)) groups.push_back(std::move(group));
  return groups;
}

void note_sites_outside(const Roster& members, const Population& population, std::uint32_t colluding,
                        std::vector<std::string>& notes) {
  const std::set<std::string> inside = sites_of(population.groups);
  Group outside;
  for (const auto& [site, key] : members.sites) {
    if (!inside.contains(site)) outside.push_back(site);
  }
  if (outside.empty() || population.mode != Mode::kMasked) return;
  notes.push_back(fmt::format(
      "Population {}: {} in no group, so no masked job runs there. A group needs at least {} sites (2c + 1, with "
      "colluding: {}). {}",
      population.name, outside.size() == 1 ? outside.front() + " is" : set_text(outside) + " are", 2 * colluding + 1,
      colluding,
      outside.size() < 2 * colluding + 1 && inside.empty() ? "More sites have to join first."
                                                           : "List groups in consortium.yaml to change that."));
}

/// Appends to the history the groups in force that it lacks.
void extend_history(Population& population) {
  std::set<Group> known(population.history.begin(), population.history.end());
  for (const Group& group : population.groups) {
    if (known.insert(group).second) population.history.push_back(group);
  }
}

/// Returns the signatures that sites in a group of `previous` gave for a later departure.
std::vector<Consent> kept_consents(const Roster& previous) {
  std::vector<Consent> kept;
  for (const Consent& consent : previous.consents) {
    const Population* population = population_named(previous, consent.population);
    if (consent.kind == ConsentKind::kMayLeave && population != nullptr &&
        sites_of(population->groups).contains(consent.site))
      kept.push_back(consent);
  }
  return kept;
}

/// Carries over what binds sites in all later rosters: the keys of the sites that have left, and every succession.
void keep_keys(Roster& roster, const Roster& previous, const std::vector<Succession>& successions) {
  for (const std::string& site : sites_in_histories(roster)) {
    const crypto::Digest* key = key_of(previous, site);
    if (key != nullptr && !roster.sites.contains(site)) roster.former.emplace(site, *key);
  }
  roster.successions = previous.successions;
  for (const Succession& one : successions) {
    if (std::find(roster.successions.begin(), roster.successions.end(), one) == roster.successions.end())
      roster.successions.push_back(one);
  }
}

}  // namespace

Result<Consortium> read_consortium(const std::filesystem::path& file, const Roster& members) {
  CONSILIUM_ASSIGN(const Value root, config::read(file, {.bytes = kMaxRosterBytes}));
  return from_root(root, members);
}

Result<Consortium> parse_consortium(std::string_view text, std::string_view source, const Roster& members) {
  CONSILIUM_ASSIGN(const Value root, config::parse(text, source, {}, {.bytes = kMaxRosterBytes}));
  return from_root(root, members);
}

std::vector<Group> default_groups(const std::vector<std::string>& sites, std::uint32_t colluding) {
  const std::size_t c = colluding;
  const std::size_t n = sites.size();
  if (n < fewest_in_group(colluding)) return {};
  const std::size_t good = 2 * c + 4;
  std::size_t count = n <= kMostInOneGroup ? 1 : std::max<std::size_t>(1, (n + good / 2) / good);
  while (count > 1 && n / count < 2 * c + 2) --count;
  std::vector<Group> groups;
  auto next = sites.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const auto end = next + static_cast<std::ptrdiff_t>(n / count + (i < n % count ? 1 : 0));
    groups.emplace_back(next, end);
    next = end;
  }
  return groups;
}

Result<MadeRoster> make_roster(const Roster& members, const Consortium& plan, const Roster* previous,
                               const std::vector<Succession>& successions) {
  MadeRoster made;
  Roster& roster = made.roster;
  roster.consortium = members.consortium;
  roster.sites = members.sites;
  roster.researchers = members.researchers;
  roster.serial = previous == nullptr ? 1 : previous->serial + 1;
  roster.colluding = plan.colluding;
  for (const PopulationPlan& planned : plan.populations) {
    const Population* known = previous == nullptr ? nullptr : population_named(*previous, planned.name);
    const Population before = known == nullptr ? Population{.name = planned.name} : *known;
    Population population{planned.name, planned.datasets, planned.mode, planned.examples, {}, before.history};
    population.groups = planned.groups ? *planned.groups : planned_groups(members, before, plan.colluding, made.notes);
    extend_history(population);
    note_sites_outside(members, population, plan.colluding, made.notes);
    roster.populations.push_back(std::move(population));
  }
  if (previous != nullptr) roster.consents = kept_consents(*previous);
  if (previous != nullptr) keep_keys(roster, *previous, successions);
  CONSILIUM_TRY(check_rules({.known = previous, .next = roster}));
  return made;
}

}  // namespace consilium::roster
