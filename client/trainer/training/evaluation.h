#pragma once

#include <cstdint>
#include <span>

#include "client/trainer/models/network.h"
#include "client/trainer/training/example_source.h"
#include "client/trainer/training/local_training.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Adds up what an evaluation counts, example by example. Order of the counts (encoding::evaluate_layout): examples 1;
/// loss 1 (summed cross entropy in units of 2^-20); confusion classes x classes (row = truth); positive_scores and
/// negative_scores, classes x kScoreBins each: where class c is the truth, and where it isn't, the bin of its score
/// log(p_c / (1 - p_c)) = z_c - log sum_{k != c} exp(z_k).
class EvaluationCounts {
 public:
  /// @param counts  evaluation_count_elements(classes) elements; zeroed here
  EvaluationCounts(std::span<std::uint64_t> counts, std::int64_t classes);

  /// @return false where a logit is NaN
  [[nodiscard]] bool add(std::span<const float> logits, std::int64_t truth);
  /// Writes the loss. Call once, at the end.
  void finish();

 private:
  std::span<std::uint64_t> counts_;
  std::size_t classes_;
  double loss_ = 0.0;
};

/// Evaluates a model on a split: batch norm by its running statistics, no dropout. A split without examples gives
/// zeros.
/// @param model   in the manifest's order   @param counts  evaluation_count_elements(classes), overwritten
/// Fails with kInvalidArgument where a prediction is NaN, kResourceExhausted, kCancelled.
Result<Evaluated> evaluate(Network& network, const ExampleSource& examples, std::uint32_t batch_size,
                           std::span<const float> model, std::span<std::uint64_t> counts, const Hooks& hooks);

}  // namespace consilium::trainer
