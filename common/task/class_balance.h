#pragma once

#include <cstdint>
#include <vector>

#include "common/error/error.h"
#include "common/task/task_spec.h"

namespace consilium::task {

/// Training examples of all sites that a census counted, and how many of them contain each class. Empty if nothing is
/// known, or if the job doesn't need it.
struct LabelCounts {
  std::uint64_t examples = 0;
  std::vector<std::uint64_t> classes{};
  [[nodiscard]] bool empty() const { return classes.empty(); }
  bool operator==(const LabelCounts&) const = default;
};

/// Upper bound on a balanced weight; its inverse is the lower bound. They keep whoever sends the counts to a site from
/// making its update depend on the images of only a few classes (see policy::unusual_terms()).
inline constexpr double kMostBalancedWeight = 10.0;

/// Computes the class weights of a loss whose `balanced` is set. Classification: N / (K n_c), so that each class has
/// the same total weight (King and Zeng 2001, section 2.2, for K classes). Multi-label: (N - n_c) / n_c, which
/// multiplies the term of a label's positives. A class without examples has weight 1. All weights are clamped to [1 /
/// kMostBalancedWeight, kMostBalancedWeight].
/// @return the weights, one for each class; empty if `counts` is
[[nodiscard]] std::vector<double> balanced_weights(TaskKind kind, const LabelCounts& counts);

/// Returns the loss with its weights computed from the counts, if it is balanced; without counts all weights are 1.
/// Returns any other loss unchanged.
[[nodiscard]] LossSpec with_weights(LossSpec loss, TaskKind kind, const LabelCounts& counts);

/// Checks counts from an untrusted source: one for each class, none above the number of examples, which must not be 0.
/// Fails with kInvalidArgument.
Result<void> check(const LabelCounts& counts, std::uint64_t classes);

}  // namespace consilium::task
