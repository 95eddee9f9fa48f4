#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"

/// Requirements on a job whose sums are masked. Errors begin with the key path below the job.
namespace consilium::job {

/// Checks that a masked job is complete and safe. It needs a roster of 3 to 255 sites, each with its own key, divided
/// into groups of at least 2c + 1 sites. Mode `masked` requires a bound on the examples, no time limit, and weights by
/// examples. Mode `masked-threshold` requires a planned cohort and minimum_sites of at least 2c + 1, and a quorum that
/// isn't below the threshold. Plain jobs pass. Fails with kFailedPrecondition if there is no roster yet, with the
/// command that fills it in.
Result<void> check_masked(const JobSpec& job);

/// Gives a masked job its roster and the terms that follow from it: sites, colluding_sites, minimum_sites and
/// count_groups, unless the job states them. Then calls check_masked().
/// @param known  sites and their keys. If the job lists its sites, only those are taken, and each must be in `known`.
///               If the job already has a roster, it must agree.
Result<JobSpec> with_roster(JobSpec job, const Roster& known);

/// Gives a masked job the terms that mode `masked` takes from the roster: sites, their keys, c and the population's
/// terms, which also determine the weighting. Then calls check_masked(). Fails with kFailedPrecondition for a job
/// without masks, and with kInvalidArgument if the job states something else.
/// @param keys       keys of at least every site of the groups
/// @param colluding  the consortium's c
Result<JobSpec> with_population(JobSpec job, const Roster& keys, std::uint32_t colluding, PopulationTerms terms);

/// Returns the same job with plain sums: no masks, and none of the keys that only masked jobs have.
[[nodiscard]] JobSpec without_masks(JobSpec job);

/// Returns a roster of invented keys, for a job whose sites are simulated: SHA-256 of ("consilium/v1/simulated-key",
/// name).
[[nodiscard]] Roster simulated_roster(const std::vector<std::string>& sites);

}  // namespace consilium::job
