#include "client/policy/roster_check.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <span>
#include <vector>

#include "common/job/cohort_rules.h"
#include "common/job/masked_job.h"
#include "common/roster/roster_file.h"

namespace consilium::policy {
namespace {

/// Maximum number of wrong entries that a refusal lists.
constexpr std::size_t kMostNamed = 3;

/// Returns what is wrong with one site of the job's roster; "" if nothing is wrong.
std::string difference(const std::string& site, const crypto::Digest& key, const roster::Roster& own) {
  const auto known = own.sites.find(site);
  if (known == own.sites.end()) return fmt::format("site '{}' isn't in this site's roster file", site);
  if (known->second == key) return "";
  return fmt::format("site '{}' has the key {} in the job and {} in this site's roster file", site, crypto::to_hex(key),
                     crypto::to_hex(known->second));
}

std::string listed(const std::vector<std::string>& differences) {
  std::string text;
  for (std::size_t i = 0; i < std::min(kMostNamed, differences.size()); ++i)
    text.append(text.empty() ? "" : "; ").append(differences[i]);
  if (differences.size() > kMostNamed) text += fmt::format("; and {} more", differences.size() - kMostNamed);
  return text;
}

/// Returns the mode in which a job's sums are computed.
roster::Mode mode_of(const job::JobSpec& job) {
  if (!job::is_masked(job)) return roster::Mode::kPlain;
  return job::sums_whole_groups(job) ? roster::Mode::kMasked : roster::Mode::kMaskedThreshold;
}

/// Checks that a job has the mode that the roster gives the population of its data set: a sum of another mode over the
/// same patients could be subtracted from the sums that the mode protects.
Result<void> check_mode(const job::JobSpec& job, const roster::Roster& own) {
  if (own.populations.empty() && !job::sums_whole_groups(job)) return {};
  const roster::Population* population = roster::population_of(own, job.data.dataset);
  if (population == nullptr) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("no population in this site's roster file has the data set '{}'; ask the consortium's "
                            "certificate authority for a roster that lists it",
                            job.data.dataset));
  }
  if (population->mode != mode_of(job)) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the job's mode is {}, but the roster's population '{}' allows only {}",
                            roster::name_of(mode_of(job)), population->name,
                            roster::name_of(population->mode)));  // check: population-mode
  }
  return {};
}

/// Returns true if the job's history is the population's, or an earlier state of it (a job continues when groups are
/// added), and contains the job's groups.
bool knows_history(const job::PopulationTerms& terms, const roster::Population& population) {
  for (std::size_t count = population.history.size(); count > 0; --count) {
    const auto earlier = std::span(population.history).first(count);
    if (roster::history_digest(earlier) != terms.history) continue;
    return std::ranges::all_of(
        terms.groups, [&](const roster::Group& group) { return std::ranges::find(earlier, group) != earlier.end(); });
  }
  return false;
}

/// Mode masked: checks that everything that determines whose data are summed is as in this site's own roster.
Result<void> check_population(const job::JobSpec& job, const roster::Roster& own, bool accepted_before) {
  if (!job.population) return {};
  const job::PopulationTerms& terms = *job.population;
  const roster::Population& population = *roster::population_of(own, job.data.dataset);
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the population of job '{}' isn't the one in this site's roster file: {}", job.name, why));
  };
  if (terms.name != population.name)
    return refuse(fmt::format("the job names '{}', the roster '{}'", terms.name, population.name));
  if (job::colluding_sites(job) < own.colluding)
    return refuse(fmt::format("the job allows for {} colluding sites, the roster for {}", job::colluding_sites(job),
                              own.colluding));  // check: population-colluding
  if (!knows_history(terms, population))
    return refuse("its groups or their history differ");  // check: population-history
  // A site with more examples than the bound declines, and is thereby named. If jobs could choose their own bounds,
  // they could find out the site's number of examples.
  const bool of_an_earlier_roster = accepted_before && terms.examples < population.examples;
  if (terms.examples != population.examples && !of_an_earlier_roster) {
    return refuse(fmt::format("the bound of examples is {} in the job, and {} in the roster", terms.examples,
                              population.examples));  // check: population-examples
  }
  return {};
}

}  // namespace

Result<roster::Roster> read_own_roster(const std::filesystem::path& file, const std::string& consortium) {
  if (file.empty()) return roster::Roster{};
  auto roster = roster::read_roster(file);
  if (!roster) return fail(roster.error().within("client.yaml: roster"));
  if (roster->consortium != consortium) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("client.yaml: roster: {}: consortium: expected '{}', that of this site's certificate, found '{}'",
                    file.filename().string(), consortium, roster->consortium));
  }
  return roster;
}

Result<void> check_roster(const job::JobSpec& job, const roster::Roster& own, const std::string& site,
                          const crypto::Digest& own_key, bool accepted_before) {
  CONSILIUM_TRY(check_mode(job, own));
  if (!job::is_masked(job)) return {};
  CONSILIUM_TRY(job::check_masked(job));
  if (own.sites.empty()) {
    return fail(
        ErrorCode::kFailedPrecondition,
        "client.yaml: roster: names no file with the consortium's sites, so this site takes part in no job with "
        "secure aggregation; get the roster from the consortium's certificate authority and compare its keys by "
        "telephone");
  }
  std::vector<std::string> differences;
  const auto self = job.federation.roster.find(site);
  if (self == job.federation.roster.end()) {
    differences.push_back(fmt::format("the job doesn't list this site ('{}')", site));
  } else if (self->second != own_key) {
    differences.push_back(fmt::format("the job gives this site the key {}, but its own is {}",
                                      crypto::to_hex(self->second), crypto::to_hex(own_key)));
  }
  for (const auto& [name, key] : job.federation.roster) {
    if (std::string what = difference(name, key, own); !what.empty()) differences.push_back(std::move(what));
  }
  if (differences.empty()) return check_population(job, own, accepted_before);
  return fail(
      ErrorCode::kPermissionDenied,
      fmt::format("federation.roster of job '{}' differs from this site's roster: {}", job.name, listed(differences)));
}

}  // namespace consilium::policy
