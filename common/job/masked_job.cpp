#include "common/job/masked_job.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <span>

#include "common/job/cohort_rules.h"
#include "common/job/job_limits.h"
#include "common/job/labelled_digest.h"

namespace consilium::job {
namespace {

Result<void> check_roster(const FederationSpec& federation) {
  const Roster& roster = federation.roster;
  if (roster.size() < kMinMaskedSites || roster.size() > kMaxMaskedSites) {
    return refuse(fmt::format("federation.roster: expected {} to {} sites, found {}", kMinMaskedSites, kMaxMaskedSites,
                              roster.size()));
  }
  std::map<crypto::Digest, std::string> owners;
  for (const auto& [site, key] : roster) {
    const auto [owner, first] = owners.emplace(key, site);
    if (!first) return refuse(fmt::format("federation.roster: '{}' and '{}' have the same key", owner->second, site));
    if (std::ranges::find(federation.sites, site) == federation.sites.end())
      return refuse(fmt::format("federation.sites: '{}' of federation.roster isn't listed", site));
  }
  for (const std::string& site : federation.sites) {
    if (!roster.contains(site))
      return refuse(fmt::format("federation.roster: '{}' of federation.sites has no key", site));
  }
  return {};
}

Result<void> check_cohort(const JobSpec& job) {
  const FederationSpec& federation = job.federation;
  const std::uint32_t c = colluding_sites(job), least = smallest_cohort(c), cohort = planned_cohort(job);
  const std::string cohort_text = fmt::format("federation.fraction {} x {} sites is a cohort of {}",
                                              federation.fraction, federation.roster.size(), cohort);
  const std::string least_text = fmt::format("2 x privacy.colluding_sites ({}) + 1", c);
  if (cohort < kMinMaskedSites) {
    return refuse(fmt::format("federation.fraction: {}; secure aggregation needs a cohort of at least {}", cohort_text,
                              kMinMaskedSites));
  }
  if (cohort < least) {
    return refuse(
        fmt::format("privacy.colluding_sites: {}, which must be at least {}; expected at most {} colluding sites, or a "
                    "larger fraction",
                    cohort_text, least_text, (cohort - 1) / 2));
  }
  if (federation.minimum_sites < least || federation.minimum_sites > federation.roster.size()) {
    return refuse(
        fmt::format("federation.minimum_sites: expected {} ({}) to {} (the sites that the job lists), found {}", least,
                    least_text, federation.roster.size(), federation.minimum_sites));
  }
  const std::uint32_t answers = answers_needed(federation.quorum, cohort), needed = threshold(cohort, c);
  if (answers < needed) {
    return refuse(
        fmt::format("federation.quorum: {} of a cohort of {} is {} sites, but with privacy.colluding_sites {} a sum "
                    "needs {}; expected a quorum of at least {:.3g}",
                    federation.quorum, cohort, answers, c, needed, static_cast<double>(needed) / cohort));
  }
  return {};
}

/// Mode `masked`: checks the keys that a job needs in addition to its population, and the population itself.
Result<void> check_population(const JobSpec& job) {
  const PopulationTerms& terms = *job.population;
  const FederationSpec& federation = job.federation;
  if (colluding_sites(job) < 1) return refuse("privacy.colluding_sites: expected 1 or more");
  if (terms.examples < 1 || terms.examples > kMaxPopulationExamples) {
    return refuse(
        fmt::format("population.examples: expected 1 to {}, found {}", kMaxPopulationExamples, terms.examples));
  }
  if (!federation.count_groups.empty()) {
    return refuse(
        "federation.count_groups: in mode masked every sum is over the population's groups; leave the key out");
  }
  if (job.training.time_limit) {
    return refuse(
        "training.time_limit: in mode masked every site does all of its work, so that no clock decides what is "
        "summed; leave the key out, or lower training.local_epochs");
  }
  if (job.strategy.weighting != Weighting::kCohort) {
    return refuse("strategy.weighting: in mode masked the mean is weighted by the examples in the sum; write cohort");
  }
  for (std::size_t i = 0; i < terms.groups.size(); ++i) {
    if (terms.groups[i].size() > kMaxGroupSites) {
      return refuse(
          fmt::format("population.groups[{}]: expected at most {} sites, found {}; ask the consortium's certificate "
                      "authority for a roster with smaller groups",
                      i, kMaxGroupSites, terms.groups[i].size()));
    }
  }
  return {};
}

Result<void> check_groups(const JobSpec& job) {
  const std::uint32_t least = smallest_cohort(colluding_sites(job));
  const std::string where = job.population ? "population.groups" : "federation.count_groups";
  const auto groups = count_groups(job);
  std::set<std::string> grouped;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].size() < least) {
      return refuse(fmt::format("{}[{}]: expected at least {} sites (2 x privacy.colluding_sites + 1), found {}", where,
                                i, least, groups[i].size()));
    }
    for (const std::string& site : groups[i]) {
      if (!job.federation.roster.contains(site))
        return refuse(fmt::format("{}[{}]: '{}' isn't one of the job's sites", where, i, site));
      if (!grouped.insert(site).second)
        return refuse(fmt::format("{}[{}]: '{}' is in an earlier group too", where, i, site));
    }
  }
  for (const auto& [site, key] : job.federation.roster) {
    if (!grouped.contains(site)) return refuse(fmt::format("{}: '{}' is in no group", where, site));
  }
  return {};
}

}  // namespace

Result<void> check_masked(const JobSpec& job) {
  if (!is_masked(job)) return {};
  if (job.federation.roster.empty()) {
    return fail(
        ErrorCode::kFailedPrecondition,
        fmt::format("federation.roster: job '{}' uses secure aggregation (privacy.secure_aggregation: required, "
                    "the default), so it lists its sites' keys; submit it with: consilium submit --roster FILE "
                    "(the file that 'consilium ca roster' writes)",
                    job.name));
  }
  CONSILIUM_TRY(check_roster(job.federation));
  CONSILIUM_TRY(job.population ? check_population(job) : check_cohort(job));
  return check_groups(job);
}

Result<JobSpec> with_roster(JobSpec job, const Roster& known) {
  FederationSpec& federation = job.federation;
  if (!is_masked(job)) {
    return fail(
        ErrorCode::kFailedPrecondition,
        fmt::format("privacy.secure_aggregation: job '{}' says off, so nobody would check its roster; leave the "
                    "roster out, or write required",
                    job.name));
  }
  if (federation.sites.empty()) {
    for (const auto& [site, key] : known) federation.sites.push_back(site);
  }
  Roster roster;
  for (const std::string& site : federation.sites) {
    const auto entry = known.find(site);
    if (entry == known.end())
      return fail(ErrorCode::kNotFound, fmt::format("federation.sites: '{}' isn't in the roster", site));
    roster.insert(*entry);
  }
  for (const auto& [site, key] : federation.roster) {
    const auto entry = roster.find(site);
    if (entry == roster.end())
      return refuse(fmt::format("federation.roster: '{}' isn't listed in federation.sites", site));
    if (entry->second != key) return refuse(fmt::format("federation.roster: '{}' has another key in the job", site));
  }
  federation.roster = std::move(roster);
  job.privacy.colluding_sites = colluding_sites(job);
  if (federation.minimum_sites == 0) federation.minimum_sites = smallest_cohort(*job.privacy.colluding_sites);
  if (federation.count_groups.empty()) {
    federation.count_groups = {federation.sites};
    std::ranges::sort(federation.count_groups.front());
  }
  CONSILIUM_TRY(check_masked(job));
  return job;
}

Result<JobSpec> with_population(JobSpec job, const Roster& keys, std::uint32_t colluding, PopulationTerms terms) {
  if (!is_masked(job)) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("privacy.secure_aggregation: job '{}' says off, but the roster's population '{}' allows "
                            "masked sums only; leave the key out",
                            job.name, terms.name));
  }
  std::vector<std::string> sites;
  for (const auto& group : terms.groups) sites.insert(sites.end(), group.begin(), group.end());
  std::ranges::sort(sites);
  if (!job.federation.sites.empty()) {
    std::vector<std::string> stated = job.federation.sites;
    std::ranges::sort(stated);
    if (stated != sites) {
      return refuse(
          fmt::format("federation.sites: found {}; a job on the population '{}' takes all sites of its groups, {}; "
                      "leave the key out",
                      fmt::join(stated, ", "), terms.name, fmt::join(sites, ", ")));
    }
  }
  if (job.privacy.colluding_sites && *job.privacy.colluding_sites != colluding) {
    return refuse(fmt::format("privacy.colluding_sites: {}, but the roster says {}; leave the key out",
                              *job.privacy.colluding_sites, colluding));
  }
  if (job.federation.minimum_sites > 1) {
    return refuse(fmt::format(
        "federation.minimum_sites: found {}; in mode masked every sum is over whole groups and waits for "
        "all of their sites, so this key has no effect; leave the key out, and set with federation.quorum how "
        "many of the groups a round needs",
        job.federation.minimum_sites));
  }
  Roster roster;
  for (const std::string& site : sites) {
    const auto entry = keys.find(site);
    if (entry == keys.end())
      return fail(ErrorCode::kNotFound, fmt::format("population.groups: '{}' isn't in the roster", site));
    roster.insert(*entry);
  }
  job.federation.sites = std::move(sites);
  job.federation.roster = std::move(roster);
  job.federation.minimum_sites = 1;  // the value that jobs state if groups decide
  job.privacy.colluding_sites = colluding;
  job.strategy.weighting = Weighting::kCohort;
  job.population = std::move(terms);
  CONSILIUM_TRY(check_masked(job));
  return job;
}

JobSpec without_masks(JobSpec job) {
  if (!is_masked(job)) return job;
  job.population.reset();
  job.privacy.secure_aggregation = SecureAggregation::kOff;
  job.privacy.colluding_sites.reset();
  job.federation.roster.clear();
  job.federation.count_groups.clear();
  job.federation.minimum_sites = std::max(1U, job.federation.minimum_sites);
  return job;
}

Roster simulated_roster(const std::vector<std::string>& sites) {
  Roster roster;
  for (const std::string& site : sites)
    roster.emplace(site, labelled_digest("consilium/v1/simulated-key", std::as_bytes(std::span(site))));
  return roster;
}

}  // namespace consilium::job
