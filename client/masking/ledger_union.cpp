#include "client/masking/ledger_union.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <map>

namespace consilium::masking {
namespace {

using Group = std::vector<std::string>;
using Files = std::map<std::string, const LedgerFile*>;

Result<void> require_state(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kFailedPrecondition, std::move(why));
}

Result<void> check_file(const LedgerFile& file, const Restored& restored) {
  const roster::Roster& roster = restored.roster;
  CONSILIUM_TRY(require_state(file.reader == restored.site && file.consortium == roster.consortium,
                              fmt::format("it is for site '{}' of consortium '{}', expected '{}' of '{}'", file.reader,
                                          file.consortium, restored.site, roster.consortium)));  // check: ledger-reader
  CONSILIUM_TRY(require_state(file.code == restored.code,
                              fmt::format("it answers another request (code {:016x}, expected {:016x}), so it may lack "
                                          "what was lost; ask for a new file with the expected code",
                                          file.code, restored.code)));  // check: ledger-code
  const auto key = roster.sites.find(file.site);
  CONSILIUM_TRY(
      require_state(key != roster.sites.end(), fmt::format("'{}' isn't one of the roster's sites", file.site)));
  CONSILIUM_TRY(check_signature(file, key->second));
  CONSILIUM_TRY(require_state(file.serial <= roster.serial,
                              fmt::format("{} has roster {}, but this site has roster {}: get the newest roster first",
                                          file.site, file.serial, roster.serial)));  // check: ledger-roster
  return {};
}

/// Checks that every group is in the roster's histories. A lying member could otherwise fill this site's ledger with
/// invented groups.
Result<void> check_groups(const LedgerContent& content, const roster::Roster& roster) {
  for (const GroupContent& group : content.groups) {
    const bool known = std::ranges::any_of(roster.populations, [&](const roster::Population& population) {
      return std::ranges::find(population.history, group.members) != population.history.end();
    });
    CONSILIUM_TRY(require_state(known, fmt::format("it lists the group {{{}}}, which is in no history of roster {}",
                                                   fmt::join(group.members, ", "), roster.serial)));
  }
  return {};
}

Result<Files> files_by_site(const std::vector<LedgerFile>& files, const Restored& restored) {
  Files by_site;
  for (const LedgerFile& file : files) {
    auto checked = check_file(file, restored);
    if (checked) checked = check_groups(file.content, restored.roster);  // check: ledger-groups
    if (!checked) return fail(checked.error().within("the file of " + file.site));
    const bool first = by_site.emplace(file.site, &file).second;
    CONSILIUM_TRY(require_state(
        first, fmt::format("there are two files from {}: name only one", file.site)));  // check: ledger-once
  }
  const std::set<std::string> needed = members_to_ask(restored.site, restored.roster, restored.own);
  std::vector<std::string> missing;
  std::ranges::copy_if(needed, std::back_inserter(missing), [&](const auto& one) { return !by_site.contains(one); });
  CONSILIUM_TRY(require_state(missing.empty(),
                              fmt::format("expected a file from every other member of this site's groups; missing: {}",
                                          fmt::join(missing, ", "))));  // check: ledger-complete
  return by_site;
}

const GroupContent* find_group(const LedgerContent& content, const Group& members) {
  const auto found = std::ranges::lower_bound(content.groups, members, {}, &GroupContent::members);
  return found == content.groups.end() || found->members != members ? nullptr : &*found;
}

/// Returns what the writer of some content has seen of another member.
secagg::Seen seen_of(const GroupContent& group, const std::string& writer, const std::string& site) {
  std::size_t place = 0;
  for (const std::string& member : group.members) {
    if (member == writer) continue;
    if (member == site && place < group.seen.size()) return group.seen[place];
    ++place;
  }
  return {};
}

secagg::Seen own_of(const LedgerContent& content, const Group& members) {
  const GroupContent* group = find_group(content, members);
  return group == nullptr ? secagg::Seen{} : group->own;
}

/// Checks that nobody has seen a later advert of a member than the member itself reports.
Result<void> check_not_behind(const Files& files, const std::string& writer, const LedgerContent& content,
                              std::string_view verdict) {
  for (const GroupContent& group : content.groups) {
    for (const auto& [site, file] : files) {
      if (site == writer || !std::ranges::binary_search(group.members, site)) continue;
      const std::uint64_t seen = seen_of(group, writer, site).number;
      const std::uint64_t made = own_of(file->content, group.members).number;
      CONSILIUM_TRY(require_state(
          seen <= made, fmt::format("in the group {{{}}}, {} has seen {}'s advert {}, but the file of "
                                    "{} ends at {}: {}",
                                    fmt::join(group.members, ", "), writer, site, seen, site, made, verdict)));
    }
  }
  return {};
}

/// A job, and the site that reported it.
struct Told {
  JobContent job;
  std::string site;
};

/// Merges a site's jobs into `jobs`. A job belongs to one population, and its sums count there. Naming another one is a
/// lie, by which the sums would be counted elsewhere.
Result<void> take_jobs(std::map<crypto::Digest, Told>& jobs, const std::string& site, const LedgerContent& content) {
  for (const JobContent& job : content.jobs) {
    Told& known = jobs.emplace(job.job, Told{job, site}).first->second;
    const bool fits = known.job.population == job.population || known.job.population.empty() || job.population.empty();
    CONSILIUM_TRY(require_state(
        fits,
        fmt::format(
            "{} says that the job {} belongs to the population '{}', and {} that it belongs to '{}': one of them lies",
            known.site, crypto::to_hex(job.job), known.job.population, site,
            job.population)));  // check: ledger-population
    if (job.sums > known.job.sums) known = {job, site};
  }
  return {};
}

}  // namespace

std::set<std::string> members_to_ask(const std::string& site, const roster::Roster& roster, const LedgerContent& own) {
  std::set<Group> groups;
  for (const roster::Population& population : roster.populations)
    groups.insert(population.history.begin(), population.history.end());
  for (const GroupContent& group : own.groups) groups.insert(group.members);
  std::set<std::string> members;
  for (const Group& group : groups) {
    const bool alive = std::ranges::all_of(group, [&](const auto& one) { return roster.sites.contains(one); });
    if (alive && std::binary_search(group.begin(), group.end(), site)) members.insert(group.begin(), group.end());
  }
  members.erase(site);
  return members;
}

Result<Adoption> unite_ledgers(const std::vector<LedgerFile>& files, const Restored& restored) {
  CONSILIUM_ASSIGN(const Files by_site, files_by_site(files, restored));
  CONSILIUM_TRY(check_not_behind(by_site, restored.site, restored.own,
                                 "it is older than this site's own ledger"));  // check: ledger-stale
  for (const auto& [site, file] : by_site)
    CONSILIUM_TRY(check_not_behind(by_site, site, file->content,
                                   "either that ledger was set back too and has to adopt the others' first, or one of "
                                   "the two sites lies"));  // check: ledger-behind
  Adoption adoption;
  adoption.reason =
      "this site's ledger was set back and then updated from those of the other members, which don't contain this "
      "site's vectors, signatures and key of the job";
  std::map<crypto::Digest, Told> jobs;
  CONSILIUM_TRY(take_jobs(jobs, restored.site, restored.own));  // check: ledger-own-jobs
  for (const auto& [site, file] : by_site) {
    for (const GroupContent& group : file->content.groups) {
      const secagg::Seen claimed = seen_of(group, site, restored.site);
      if (claimed.number > 0) adoption.own.push_back({group.members, restored.site, claimed});
      if (group.own.number > 0) adoption.others.push_back({group.members, site, group.own});
    }
    CONSILIUM_TRY(take_jobs(jobs, site, file->content));
  }
  for (auto& [digest, told] : jobs) adoption.jobs.push_back(std::move(told.job));
  return adoption;
}

}  // namespace consilium::masking
