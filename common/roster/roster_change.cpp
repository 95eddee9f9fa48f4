#include "common/roster/roster_change.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "common/roster/consent.h"
#include "common/roster/exposure.h"

namespace consilium::roster {
namespace {

tl::unexpected<Error> broken(std::string message) { return fail(ErrorCode::kFailedPrecondition, std::move(message)); }

/// Are two rosters the same but for signatures?
bool same_but_consents(const Roster& a, Roster b) {
  b.consents = a.consents;
  return a == b;
}

bool has(const std::vector<Group>& groups, const Group& group) {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

/// Is a site in one of these groups? All sites of a cell are in the same ones.
bool in_any(const std::vector<Group>& groups, const std::string& site) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const Group& group) { return std::binary_search(group.begin(), group.end(), site); });
}

Result<void> check_population(const Roster& known, const Population& before, const Roster& next) {
  const std::string key = "populations." + before.name;
  const Population* after = population_named(next, before.name);
  if (after == nullptr)
    return broken(
        fmt::format("{}: this population of roster {} is missing; a population stays for good", key, known.serial));
  if (after->mode != before.mode)  // check: roster-mode
    return broken(fmt::format("{}.mode: expected '{}', which is fixed for good, found '{}'", key, name_of(before.mode),
                              name_of(after->mode)));
  if (after->examples < before.examples)  // check: roster-examples
    return broken(
        fmt::format("{}.examples: expected at least {}, as roster {} has it, found {}: the bound is never lowered", key,
                    before.examples, known.serial, after->examples));
  for (const std::string& dataset : before.datasets) {
    const Population* now = population_of(next, dataset);
    if (now == nullptr || now->name != before.name)  // check: roster-dataset
      return broken(fmt::format("{}.datasets: data set '{}' belongs to this population for good, but it is {}", key,
                                dataset, now == nullptr ? "missing" : "in population '" + now->name + "'"));
  }
  for (std::size_t i = 0; i < before.history.size(); ++i) {
    if (i >= after->history.size() || after->history[i] != before.history[i])  // check: roster-history
      return broken(
          fmt::format("{}.history: expected {} as group {}, as roster {} has it: a history only grows, at its end", key,
                      set_text(before.history[i]), i + 1, known.serial));
  }
  return {};
}

Result<void> check_ledger(const Change& change) {
  for (const auto& [name, groups] : change.ledger) {
    const Population* population = population_named(change.next, name);
    for (const Group& group : groups) {
      if (population != nullptr && has(population->history, group)) continue;  // check: roster-ledger
      return broken(
          fmt::format("populations.{}.history: lacks the group {}, over which this site has taken part in sums", name,
                      set_text(group)));
    }
  }
  return {};
}

/// The cells of a population that are too small for this roster's c.
std::set<Group> small_cells(const Roster& roster, const Population& population) {
  std::set<Group> small;
  for (Group& cell : cells_of(population.history)) {
    if (cell.size() < fewest_in_cell(roster.colluding)) small.insert(std::move(cell));
  }
  return small;
}

/// Who of a cell has not agreed. Sets `leaving` where a signature given beforehand counts.
Group unsigned_sites(const Change& change, const Population& population, const Group& cell, bool& leaving) {
  Group missing;
  for (const std::string& site : cell) {
    const crypto::Digest* key = consent_key(change, site);
    const auto agreed = [&](ConsentKind kind) {
      return std::any_of(change.next.consents.begin(), change.next.consents.end(), [&](const Consent& consent) {
        return consent.kind == kind && consent.site == site && consent.population == population.name &&
               key != nullptr && check_consent(change.next, consent, *key);
      });
    };
    if (agreed(ConsentKind::kChange)) continue;
    if (!in_any(population.groups, site) && agreed(ConsentKind::kMayLeave)) {  // check: may-leave
      leaving = true;
    } else {
      missing.push_back(site);
    }
  }
  return missing;
}

/// Finds the cells of a population that the change makes too small, or brings back into a group although they are.
std::vector<Group> newly_small(const Change& change, const Population& next) {
  const Population* known = change.known == nullptr ? nullptr : population_named(*change.known, next.name);
  const std::set<Group> before = known == nullptr ? std::set<Group>{} : small_cells(*change.known, *known);
  std::vector<Group> cells;
  for (const Group& cell : small_cells(change.next, next)) {
    const bool own = std::binary_search(cell.begin(), cell.end(), change.site);
    const bool returns = known != nullptr && in_any(next.groups, cell.front()) && !in_any(known->groups, cell.front());
    if (change.known == nullptr ? own : !before.contains(cell) || returns) cells.push_back(cell);
  }
  return cells;
}

}  // namespace

Result<void> check_rules(const Change& change) {
  CONSILIUM_TRY(check_ledger(change));
  if (change.known == nullptr) return {};
  const Roster& known = *change.known;
  const Roster& next = change.next;
  if (next.consortium != known.consortium)
    return broken(fmt::format("consortium: expected '{}', found '{}'", known.consortium, next.consortium));
  if (known.populations.empty() && next.populations.empty() && next.serial >= known.serial) return {};
  if (same_but_consents(known, next)) return {};
  if (next.serial <= known.serial)  // check: roster-serial
    return broken(fmt::format("serial: expected more than {}, the serial of the roster accepted last, found {}",
                              known.serial, next.serial));
  if (next.colluding < known.colluding)  // check: roster-colluding
    return broken(fmt::format("colluding: expected at least {}, as roster {} has it, found {}: c is never lowered",
                              known.colluding, known.serial, next.colluding));
  for (const Population& population : known.populations) CONSILIUM_TRY(check_population(known, population, next));
  return {};
}

std::vector<Exposure> find_exposures(const Change& change) {
  std::vector<Exposure> exposures;
  for (const Population& population : change.next.populations) {
    if (population.mode != Mode::kMasked) continue;
    for (const Group& cell : newly_small(change, population)) {
      Exposure exposure{
          population.name, cell, exposure_text(cell, population.history, change.next.colluding), {}, false};
      exposure.missing = unsigned_sites(change, population, cell, exposure.leaving);
      exposures.push_back(std::move(exposure));
    }
  }
  return exposures;
}

Result<void> check_change(const Change& change, Departures departures) {
  CONSILIUM_TRY(check_rules(change));
  for (const Exposure& exposure : find_exposures(change)) {
    const std::string where = fmt::format("populations.{}: {}", exposure.population, exposure.text);
    if (!exposure.missing.empty())  // check: cell
      return fail(
          ErrorCode::kPermissionDenied,
          fmt::format("{}. This needs the signature of each of {}, and {} hasn't signed: `consilium-client roster "
                      "consent` makes it, `consilium ca roster --consent` puts it into the roster",
                      where, set_text(exposure.cell), set_text(exposure.missing)));
    if (exposure.leaving && departures == Departures::kRefuse)
      return fail(ErrorCode::kPermissionDenied,
                  fmt::format("{}. {} agreed to that beforehand; a person at this site must accept it with "
                              "`consilium-client roster accept`",
                              where, set_text(exposure.cell)));
  }
  return {};
}

const crypto::Digest* consent_key(const Change& change, const std::string& site) {
  if (change.known != nullptr) {
    if (const auto known = change.known->sites.find(site); known != change.known->sites.end()) return &known->second;
  }
  const auto next = change.next.sites.find(site);
  return next == change.next.sites.end() ? nullptr : &next->second;
}

std::vector<std::string> member_changes(const Change& change) {
  std::vector<std::string> lines;
  const Roster none;
  const Roster& known = change.known == nullptr ? none : *change.known;
  const auto compare = [&lines](std::string_view kind, const auto& before, const auto& after) {
    for (const auto& [name, key] : after) {
      const auto old = before.find(name);
      if (old == before.end())
        lines.push_back(fmt::format("{} {} joins with the key {}", kind, name, crypto::to_hex(key)));
      if (old != before.end() && old->second != key)
        lines.push_back(fmt::format("{} {} has another key: {} instead of {}", kind, name, crypto::to_hex(key),
                                    crypto::to_hex(old->second)));
    }
    for (const auto& [name, key] : before) {
      if (!after.contains(name)) lines.push_back(fmt::format("{} {} leaves", kind, name));
    }
  };
  compare("site", known.sites, change.next.sites);
  compare("researcher", known.researchers, change.next.researchers);
  return lines;
}

}  // namespace consilium::roster
