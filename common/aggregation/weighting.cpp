#include "common/aggregation/weighting.h"

namespace consilium::aggregation {

Result<double> mean_divisor(job::Weighting weighting, const WeightingFacts& facts) {
  const auto normaliser = static_cast<double>(facts.normaliser);
  if (facts.normaliser == 0 || facts.contributors == 0)
    return fail(ErrorCode::kFailedPrecondition, "the sum holds no update");
  if (weighting == job::Weighting::kCohort) {
    if (facts.contributed_examples == 0) {
      return fail(ErrorCode::kFailedPrecondition, "the sites in the sum counted no training examples");
    }
    return static_cast<double>(facts.contributed_examples) / normaliser;
  }
  if (facts.members < facts.contributors || facts.member_examples == 0) {
    return fail(ErrorCode::kInternal,
                "the sum has more sites than the group has members, or the members have no examples");
  }
  const double answered = static_cast<double>(facts.contributors) / static_cast<double>(facts.members);
  if (facts.member_examples == facts.normaliser) return answered;
  return answered * (static_cast<double>(facts.member_examples) / normaliser);
}

}  // namespace consilium::aggregation
