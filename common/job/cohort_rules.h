#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/job/job_spec.h"

/// The numbers that follow from a job: how many sites train, how many may collude, how many must stay. Coordinator and
/// sites compute them alike and never take the other's word for one.
namespace consilium::job {

/// How many of `sites` a round samples: max(1, round(fraction x sites)), halves away from zero.
[[nodiscard]] std::uint32_t cohort_size(double fraction, std::size_t sites);
/// How many of a cohort must answer for a round to count: ceil(quorum x cohort), at least 1.
[[nodiscard]] std::uint32_t answers_needed(double quorum, std::size_t cohort);

/// k: the cohort of a round at which all sites that the job lists are present.
[[nodiscard]] std::uint32_t planned_cohort(const JobSpec& job);

/// c: how many of the job's sites may share what they know with the coordinator and still learn nothing about an honest
/// one. As the job says, else max(1, floor(k / 3)); never a matter of the cohort that a coordinator picks.
[[nodiscard]] std::uint32_t colluding_sites(const JobSpec& job);
/// t: how many of a cohort of n must agree on who is in a sum, so that two different lists of survivors can't both be
/// signed by as many (2t > n + c): floor((n + c) / 2) + 1.
[[nodiscard]] constexpr std::uint32_t threshold(std::uint32_t n, std::uint32_t c) { return (n + c) / 2 + 1; }
/// The smallest cohort, and the smallest count group, that c colluding sites leave safe: 2c + 1.
[[nodiscard]] constexpr std::uint32_t smallest_cohort(std::uint32_t c) { return 2 * c + 1; }

/// The divisor of every weight in mode `masked`: w_i = n_i / (B k), B the population's bound and k all sites of the
/// job. It follows from the job alone, so that nobody can choose what a site computes by choosing it.
[[nodiscard]] std::uint64_t weight_normaliser(const JobSpec& job);

/// The disjoint groups of sites over which counts (census, evaluation) are summed, and in mode `masked` updates too: as
/// the job says, else one of all the sites that it lists.
[[nodiscard]] std::vector<std::vector<std::string>> count_groups(const JobSpec& job);
/// Which of count_groups() a site is in: always 0 where there is one group. For a site in none, the number of groups,
/// which no session has.
[[nodiscard]] std::uint32_t count_group_of(const JobSpec& job, const std::string& site);

}  // namespace consilium::job
