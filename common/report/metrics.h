#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"

namespace consilium::report {

/// Metrics that follow from summed counts alone. Values 0 to 1, loss in nats.
struct Metrics {
  std::uint64_t examples = 0;
  double loss = 0.0;
  double accuracy = 0.0;
  double balanced_accuracy = 0.0;  ///< mean recall over the classes that occur
  double auc = 0.0;        ///< one against the rest, mean over the classes that have both positives and negatives;
                           ///< 0.5 with error 0.5 where no class has
  double auc_error = 0.0;  ///< bound: mean of 1/2 sum_b pos_b neg_b / (P N)
  double f1 = 0.0;         ///< mean over the classes that occur
  std::vector<std::uint64_t> confusion;  ///< classes x classes, row = truth
  bool operator==(const Metrics&) const = default;
};

/// Computes metrics from the words of an evaluation sum. Fails with kDataLoss where counts contradict each other, and
/// kFailedPrecondition where there are no examples.
Result<Metrics> metrics_from_words(const encoding::VectorLayout& layout, std::uint64_t classes,
                                   std::span<const std::uint32_t> words);
/// The same from plain counts in the layout's order (the trainer's, or several added up).
Result<Metrics> metrics_from_counts(std::uint64_t classes, std::span<const std::uint64_t> counts);

}  // namespace consilium::report
