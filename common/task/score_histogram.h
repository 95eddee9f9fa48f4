#pragma once

#include <cstdint>
#include <span>

/// Histograms of scores. Their sum over sites is the histogram of all examples, so ROC curves can be computed from
/// counts alone. The error that the bins cause is bounded.
namespace consilium::task {

/// Bins of a score histogram, evenly spaced in the logit ln(p / (1 - p)) over [-kScoreLogitRange, kScoreLogitRange].
inline constexpr std::uint32_t kScoreBins = 1024;
inline constexpr double kScoreLogitRange = 16.0;

/// Returns the bin of a score, which is a logit. Scores beyond the range are in the first or the last bin.
/// @param bins  number of bins of the histogram, over the same range
[[nodiscard]] std::size_t score_bin(double logit, std::size_t bins = kScoreBins);
/// The position of a probability threshold in a histogram; see cut_at().
struct Cut {
  std::size_t bin = 0;
  bool exact = false;
};
/// Returns the first bin without scores whose probability is below `threshold`. `exact` is true if the threshold is
/// that bin's lower edge.
[[nodiscard]] Cut cut_at(double threshold);

/// A value, and a bound on its distance from the exact one.
struct Bounded {
  double value = 0.0;
  double error = 0.0;
};

/// Computes the area under the ROC curve. Ties, and scores that share a bin, count half. The error is 1/2 sum_b pos_b
/// neg_b / (P N). Neither histogram may be empty, and their totals must fit into 64 bits.
[[nodiscard]] Bounded area_under_curve(std::span<const std::uint64_t> positives,
                                       std::span<const std::uint64_t> negatives);
/// Computes the share of a histogram with a probability of at least `threshold`. If the threshold lies inside a bin,
/// half of that bin counts, and the other half is the error.
[[nodiscard]] Bounded share_above(std::span<const std::uint64_t> histogram, double threshold);

}  // namespace consilium::task
