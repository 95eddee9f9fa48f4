#include "common/job/cohort_rules.h"

#include <algorithm>
#include <cmath>

namespace consilium::job {
namespace {

std::uint32_t at_least_one(double number) { return static_cast<std::uint32_t>(std::max(1.0, number)); }

}  // namespace

std::uint32_t cohort_size(double fraction, std::size_t sites) {
  return at_least_one(std::round(fraction * static_cast<double>(sites)));
}

std::uint32_t answers_needed(double quorum, std::size_t cohort) {
  // In binary 0.55 x 20 is slightly above 11, and must not be rounded up to 12.
  return at_least_one(std::ceil(quorum * static_cast<double>(cohort) - 1e-9));
}

std::uint32_t planned_cohort(const JobSpec& job) {
  const FederationSpec& federation = job.federation;
  return cohort_size(federation.fraction, std::max(federation.roster.size(), federation.sites.size()));
}

std::uint32_t colluding_sites(const JobSpec& job) {
  return job.privacy.colluding_sites.value_or(std::max(1U, planned_cohort(job) / 3));
}

std::uint64_t weight_normaliser(const JobSpec& job) {
  return job.population ? job.population->examples * job.federation.sites.size() : 0;
}

std::vector<std::vector<std::string>> count_groups(const JobSpec& job) {
  if (job.population) return job.population->groups;
  if (!job.federation.count_groups.empty()) return job.federation.count_groups;
  return {job.federation.sites};
}

std::uint32_t count_group_of(const JobSpec& job, const std::string& site) {
  const auto groups = count_groups(job);
  if (groups.size() < 2) return 0;
  const auto group =
      std::ranges::find_if(groups, [&](const auto& sites) { return std::ranges::find(sites, site) != sites.end(); });
  return static_cast<std::uint32_t>(group - groups.begin());
}

}  // namespace consilium::job
