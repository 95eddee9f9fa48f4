#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"

/// What a job needs so that its sums can be masked. Errors begin with the key path below the job.
namespace consilium::job {

/// Checks that a masked job is complete and safe: a roster of 3 to 255 sites, each with a key of its own, parted into
/// groups of at least 2c + 1 sites. Mode `masked` has a bound of examples, no time limit and weights by examples; mode
/// `masked-threshold` a planned cohort and minimum_sites of at least 2c + 1, and a quorum that isn't below the
/// threshold. A job without masks passes. kFailedPrecondition where there is no roster yet, with the command that fills
/// it in.
Result<void> check_masked(const JobSpec& job);

/// Gives a masked job its roster and what follows from it: sites, colluding_sites, minimum_sites and count_groups,
/// where the job doesn't state them. Then check_masked().
/// @param known  sites and their keys; of a job that lists its sites, those alone are taken, and each must be there. A
/// job that has a roster already must agree with it.
Result<JobSpec> with_roster(JobSpec job, const Roster& known);

/// Gives a masked job what mode `masked` takes from the roster: sites, their keys, c and the population's terms, which
/// also fix the weighting. Then check_masked().
/// @param keys       of every site of the groups, at least
/// @param colluding  c of the consortium
/// Errors: kFailedPrecondition for a job without masks; kInvalidArgument where the job states something else.
Result<JobSpec> with_population(JobSpec job, const Roster& keys, std::uint32_t colluding, PopulationTerms terms);

/// The same training with plain sums: no masks, and none of the keys that only masked jobs have.
[[nodiscard]] JobSpec without_masks(JobSpec job);

/// A roster of made-up keys, for a job whose sites are simulated: SHA-256 of ("consilium/v1/simulated-key", name).
[[nodiscard]] Roster simulated_roster(const std::vector<std::string>& sites);

}  // namespace consilium::job
