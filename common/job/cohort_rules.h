#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/job/job_spec.h"

/// The numbers that follow from a job: how many sites train, how many may collude, and how many must stay. The
/// coordinator and the sites each compute them, and neither relies on the other for one.
namespace consilium::job {

/// Returns how many of `sites` a round samples: max(1, round(fraction x sites)), with halves rounded away from zero.
[[nodiscard]] std::uint32_t cohort_size(double fraction, std::size_t sites);
/// Returns how many sites of a cohort must answer for the round to count: ceil(quorum x cohort), at least 1.
[[nodiscard]] std::uint32_t answers_needed(double quorum, std::size_t cohort);

/// Returns k: the size of a round's cohort when all sites that the job lists are present.
[[nodiscard]] std::uint32_t planned_cohort(const JobSpec& job);

/// Returns c: how many of the job's sites may share all they know with the coordinator without learning anything about
/// an honest site. It's the number in the job, or else max(1, floor(k / 3)). It never depends on the cohort that a
/// coordinator picks.
[[nodiscard]] std::uint32_t colluding_sites(const JobSpec& job);
/// Returns t: how many members of a cohort of n must agree on which sites are in a sum. It's floor((n + c) / 2) + 1, so
/// that two different lists of survivors can't both get t signatures (2t > n + c).
[[nodiscard]] constexpr std::uint32_t threshold(std::uint32_t n, std::uint32_t c) { return (n + c) / 2 + 1; }
/// Returns the smallest cohort, and the smallest count group, that stays safe with c colluding sites: 2c + 1.
[[nodiscard]] constexpr std::uint32_t smallest_cohort(std::uint32_t c) { return 2 * c + 1; }

/// Returns the divisor of every weight in mode `masked`: w_i = n_i / (B k), where B is the population's bound and k the
/// number of all sites of the job. It follows from the job alone, so that nobody can influence what a site computes by
/// choosing it.
[[nodiscard]] std::uint64_t weight_normaliser(const JobSpec& job);

/// Returns the disjoint groups of sites over which counts (census, evaluation) are summed and, in mode `masked`,
/// updates too. These are the groups in the job, or else one group of all the sites that it lists.
[[nodiscard]] std::vector<std::vector<std::string>> count_groups(const JobSpec& job);
/// Returns the index of a site's group in count_groups(), which is always 0 if there is only one group. For a site in
/// no group, returns the number of groups, which no session has.
[[nodiscard]] std::uint32_t count_group_of(const JobSpec& job, const std::string& site);

}  // namespace consilium::job
