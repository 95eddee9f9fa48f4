#pragma once

#include <cstdint>

#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::aggregation {

/// The numbers that determine the divisor of a weighted sum.
struct WeightingFacts {
  std::uint64_t contributors = 0;          ///< sites in the sum
  std::uint64_t members = 0;               ///< members of the job that have training examples
  std::uint64_t normaliser = 0;            ///< N of the weights n_i / N
  std::uint64_t contributed_examples = 0;  ///< cohort: sum of n_i over the contributors
  std::uint64_t member_examples = 0;  ///< population: sum of n_i over the members; differs from N if sites joined later
};

/// Returns the divisor that turns the weighted sum into the mean (docs/formats/encoding.md). kCohort: the sum of w over
/// the contributors (McMahan et al. 2017, Algorithm 1). kPopulation: contributors / members (Li et al. 2020, "On the
/// convergence of FedAvg on non-IID data", scheme II). Fails with kFailedPrecondition if the divisor would be zero.
Result<double> mean_divisor(job::Weighting weighting, const WeightingFacts& facts);

}  // namespace consilium::aggregation
