#pragma once

#include <cstdint>
#include <span>

/// Histograms of scores: a sum of them over sites is the histogram of all their examples, so that curves come out of
/// counts alone. What the bins hide is bounded.
namespace consilium::task {

/// Bins of a score histogram, evenly spaced in the logit ln(p / (1 - p)) over [-kScoreLogitRange, kScoreLogitRange].
inline constexpr std::uint32_t kScoreBins = 1024;
inline constexpr double kScoreLogitRange = 16.0;

/// Returns the bin of a score, which is a logit; what lies beyond the range is in the first or the last bin.
/// @param bins  how many the histogram has, over the same range
[[nodiscard]] std::size_t score_bin(double logit, std::size_t bins = kScoreBins);
/// Returns the first bin that holds no score below the one whose probability is `threshold`; `exact` says whether the
/// threshold is that bin's lower edge.
struct Cut {
  std::size_t bin = 0;
  bool exact = false;
};
[[nodiscard]] Cut cut_at(double threshold);

/// A value, and how far the exact one may be from it.
struct Bounded {
  double value = 0.0;
  double error = 0.0;
};

/// Computes the area under the ROC curve. Ties, and scores that share a bin, count half; the error is
/// 1/2 sum_b pos_b neg_b / (P N). Both histograms hold something; their totals fit 64 bits.
[[nodiscard]] Bounded area_under_curve(std::span<const std::uint64_t> positives,
                                       std::span<const std::uint64_t> negatives);
/// Computes the share of a histogram whose probability is at least `threshold`. Where the threshold lies inside of a
/// bin, half of that bin counts, and the error is the other half.
[[nodiscard]] Bounded share_above(std::span<const std::uint64_t> histogram, double threshold);

}  // namespace consilium::task
