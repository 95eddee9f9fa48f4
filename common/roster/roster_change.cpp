#include "common/roster/roster_change.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "common/roster/consent.h"
#include "common/roster/exposure.h"
#include "common/roster/succession.h"

namespace consilium::roster {
namespace {

Result<void> require(bool holds, std::string message) {
  if (holds) return {};
  return fail(ErrorCode::kFailedPrecondition, std::move(message));
}

/// Returns true if two rosters differ at most in their consents.
bool same_but_consents(const Roster& a, Roster b) {
  b.consents = a.consents;
  return a == b;
}

bool has(const std::vector<Group>& groups, const Group& group) {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

/// Returns true if a site is in one of these groups. All sites of a cell are in the same groups.
bool in_any(const std::vector<Group>& groups, const std::string& site) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const Group& group) { return std::binary_search(group.begin(), group.end(), site); });
}

/// Checks that a data set stays in its population.
Result<void> check_dataset(const std::string& dataset, const Population& after, const Roster& next) {
  if (std::find(after.datasets.begin(), after.datasets.end(), dataset) != after.datasets.end()) return {};
  const Population* now = population_of(next, dataset);
  return require(
      false, fmt::format("populations.{}.datasets: data set '{}' belongs to this population permanently, but it is {}",
                         after.name, dataset, now == nullptr ? "missing" : "in population '" + now->name + "'"));
}

/// Checks that a history has only grown, at its end.
Result<void> check_history(const Roster& known, const Population& before, const Population& after) {
  const auto [old, now] =
      std::mismatch(before.history.begin(), before.history.end(), after.history.begin(), after.history.end());
  if (old == before.history.end()) return {};
  return require(false, fmt::format("populations.{}.history: expected {} as group {}, as in roster {}: groups can only "
                                    "be added at the end of a history",
                                    before.name, set_text(*old), old - before.history.begin() + 1, known.serial));
}

Result<void> check_population(const Roster& known, const Population& before, const Roster& next) {
  const std::string key = "populations." + before.name;
  const Population* after = population_named(next, before.name);
  if (after == nullptr)
    return require(false, fmt::format("{}: this population of roster {} is missing; a population can't be removed", key,
                                      known.serial));
  CONSILIUM_TRY(require(after->mode == before.mode,
                        fmt::format("{}.mode: expected '{}', which can't be changed, found '{}'", key,
                                    name_of(before.mode), name_of(after->mode))));  // check: roster-mode
  CONSILIUM_TRY(
      require(after->examples >= before.examples,
              fmt::format("{}.examples: expected at least {}, as in roster {}, found {}: the bound can't be lowered",
                          key, before.examples, known.serial, after->examples)));  // check: roster-examples
  for (const std::string& dataset : before.datasets) {
    CONSILIUM_TRY(check_dataset(dataset, *after, next));  // check: roster-dataset
  }
  CONSILIUM_TRY(check_history(known, before, *after));  // check: roster-history
  return {};
}

/// Checks that the histories contain every group over which this site has taken part in sums.
Result<void> check_ledger(const Change& change) {
  for (const auto& [name, groups] : change.ledger) {
    const Population* population = population_named(change.next, name);
    for (const Group& group : groups) {
      CONSILIUM_TRY(
          require(population != nullptr && has(population->history, group),
                  fmt::format("populations.{}.history: lacks the group {}, over which this site has taken part in sums",
                              name, set_text(group))));
    }
  }
  return {};
}

/// Returns the cells of a population that are too small for this roster's c.
std::set<Group> small_cells(const Roster& roster, const Population& population) {
  std::set<Group> small;
  for (Group& cell : cells_of(population.history)) {
    if (cell.size() < fewest_in_cell(roster.colluding)) small.insert(std::move(cell));
  }
  return small;
}

/// Returns true if a site has signed a consent of this kind with its own key.
bool has_signed(const Change& change, const Population& population, const std::string& site, ConsentKind kind) {
  const crypto::Digest* key = consent_key(change, site);
  if (key == nullptr) return false;
  return std::any_of(change.next.consents.begin(), change.next.consents.end(), [&](const Consent& consent) {
    return consent.kind == kind && consent.site == site && consent.population == population.name &&
           check_consent(change.next, consent, *key);
  });
}

/// Returns true if a site that leaves its group has agreed to that beforehand.
bool may_leave(const Change& change, const Population& population, const std::string& site) {
  if (in_any(population.groups, site)) return false;  // check: may-leave
  return has_signed(change, population, site, ConsentKind::kMayLeave);
}

Exposure exposure_of(const Change& change, const Population& population, const Group& cell) {
  Exposure exposure;
  exposure.population = population.name;
  exposure.cell = cell;
  for (const std::string& site : cell) {
    if (has_signed(change, population, site, ConsentKind::kChange)) continue;
    if (may_leave(change, population, site)) {
      exposure.leaving = true;
    } else {
      exposure.missing.push_back(site);
    }
  }
  return exposure;
}

Result<void> check_exposure(const Roster& next, const Exposure& exposure) {
  if (exposure.missing.empty()) return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("{}. This needs the signature of each of {}, and {} hasn't signed: `consilium-client roster "
                          "consent` makes it, `consilium ca roster --consent` puts it into the roster",
                          describe(next, exposure), set_text(exposure.cell), set_text(exposure.missing)));
}

Result<void> check_departure(const Roster& next, const Exposure& exposure, Departures departures) {
  if (!exposure.leaving || departures == Departures::kAccept) return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("{}. {} agreed to that beforehand; a person at this site must accept it with "
                          "`consilium-client roster accept`",
                          describe(next, exposure), set_text(exposure.cell)));
}

/// Returns a remark on a key that changes: whether the old key signed the change.
std::string_view signed_or_not(std::string_view kind, const Roster& known, const Roster& next,
                               const std::string& site) {
  if (kind != "site") return "";
  return check_successions(known, next, site) ? " (the old key signed that)" : " (the old key didn't sign that)";
}

/// Finds the cells of a population that the change makes too small, or brings back into a group although they are too
/// small.
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
  CONSILIUM_TRY(check_ledger(change));  // check: roster-ledger
  if (change.known == nullptr) return {};
  const Roster& known = *change.known;
  const Roster& next = change.next;
  CONSILIUM_TRY(require(next.consortium == known.consortium,
                        fmt::format("consortium: expected '{}', found '{}'", known.consortium, next.consortium)));
  if (known.populations.empty() && next.populations.empty() && next.serial >= known.serial) return {};
  if (same_but_consents(known, next)) return {};
  CONSILIUM_TRY(require(next.serial > known.serial,
                        fmt::format("serial: expected more than {}, the serial of the previous roster, found {}",
                                    known.serial, next.serial)));  // check: roster-serial
  CONSILIUM_TRY(
      require(next.colluding >= known.colluding,
              fmt::format("colluding: expected at least {}, as in roster {}, found {}: this number can't be lowered",
                          known.colluding, known.serial, next.colluding)));  // check: roster-colluding
  for (const Population& population : known.populations) CONSILIUM_TRY(check_population(known, population, next));
  return check_site_keys(known, next);
}

std::vector<Exposure> find_exposures(const Change& change) {
  std::vector<Exposure> exposures;
  for (const Population& population : change.next.populations) {
    if (population.mode != Mode::kMasked) continue;
    for (const Group& cell : newly_small(change, population))
      exposures.push_back(exposure_of(change, population, cell));
  }
  return exposures;
}

std::string describe(const Roster& next, const Exposure& exposure) {
  const Population* population = population_named(next, exposure.population);
  const std::vector<Group> none;
  return fmt::format("population {}: {}", exposure.population,
                     exposure_text(exposure.cell, population == nullptr ? none : population->history, next.colluding));
}

Result<void> check_change(const Change& change, Departures departures) {
  CONSILIUM_TRY(check_rules(change));
  for (const Exposure& exposure : find_exposures(change)) {
    CONSILIUM_TRY(check_exposure(change.next, exposure));               // check: roster-cell
    CONSILIUM_TRY(check_departure(change.next, exposure, departures));  // check: roster-departure
  }
  return {};
}

const crypto::Digest* consent_key(const Change& change, const std::string& site) {
  if (change.known != nullptr) {
    if (const crypto::Digest* known = key_of(*change.known, site)) return known;
  }
  const auto next = change.next.sites.find(site);
  return next == change.next.sites.end() ? nullptr : &next->second;
}

std::vector<std::string> member_changes(const Change& change) {
  std::vector<std::string> lines;
  const Roster none;
  const Roster& known = change.known == nullptr ? none : *change.known;
  const Roster& next = change.next;
  const auto compare = [&](std::string_view kind, const auto& before, const auto& after) {
    for (const auto& [name, key] : after) {
      const auto old = before.find(name);
      if (old == before.end())
        lines.push_back(fmt::format("{} {} joins with the key {}", kind, name, crypto::to_hex(key)));
      if (old != before.end() && old->second != key)
        lines.push_back(fmt::format("{} {} has another key: {} instead of {}{}", kind, name, crypto::to_hex(key),
                                    crypto::to_hex(old->second), signed_or_not(kind, known, next, name)));
    }
    for (const auto& [name, key] : before) {
      if (!after.contains(name)) lines.push_back(fmt::format("{} {} leaves", kind, name));
    }
  };
  compare("site", known.sites, next.sites);
  compare("researcher", known.researchers, next.researchers);
  return lines;
}

}  // namespace consilium::roster
