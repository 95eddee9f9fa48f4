#pragma once

#include <cstdint>
#include <vector>

#include "common/error/error.h"
#include "common/task/task_spec.h"

namespace consilium::task {

/// Training examples of all sites that a census counted, and how many of them hold each class. Empty where nothing is
/// known, or where the job has no use for it.
struct LabelCounts {
  std::uint64_t examples = 0;
  std::vector<std::uint64_t> classes{};
  [[nodiscard]] bool empty() const { return classes.empty(); }
  bool operator==(const LabelCounts&) const = default;
};

/// No class counts more than this with balanced weights, and none less than its inverse: whoever tells a site the
/// counts can't make its update one of the images of few classes (see policy::unusual_terms()).
inline constexpr double kMostBalancedWeight = 10.0;

/// Computes the class weights of a loss whose `balanced` is set. Classification: N / (K n_c), so that each class has
/// the same weight in all (King and Zeng 2001, section 2.2, for K classes). Multi-label: (N - n_c) / n_c, which
/// multiplies the term of a label's positives. A class without examples has weight 1. All are held between
/// 1 / kMostBalancedWeight and kMostBalancedWeight.
/// @return the weights, one for each class; empty where `counts` is
[[nodiscard]] std::vector<double> balanced_weights(TaskKind kind, const LabelCounts& counts);

/// Returns the loss with its weights computed where it is balanced: without counts all are 1. Others are returned as
/// they are.
[[nodiscard]] LossSpec with_weights(LossSpec loss, TaskKind kind, const LabelCounts& counts);

/// Checks counts that somebody else has told: one for each class, none above the examples, which aren't 0. Fails with
/// kInvalidArgument.
Result<void> check(const LabelCounts& counts, std::uint64_t classes);

}  // namespace consilium::task
