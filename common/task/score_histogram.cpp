#include "common/task/score_histogram.h"

#include <algorithm>
#include <cmath>

namespace consilium::task {
namespace {

double sum_of(std::span<const std::uint64_t> histogram) {
  double sum = 0.0;
  for (const std::uint64_t count : histogram) sum += static_cast<double>(count);
  return sum;
}

}  // namespace

std::size_t score_bin(double logit, std::size_t bins) {
  const auto count = static_cast<double>(bins);
  const double clamped = std::clamp(logit, -kScoreLogitRange, kScoreLogitRange);
  const double bin = std::floor((clamped + kScoreLogitRange) / (2.0 * kScoreLogitRange) * count);
  return static_cast<std::size_t>(std::clamp(bin, 0.0, count - 1.0));
}

Cut cut_at(double threshold) {
  const double logit = std::log(threshold) - std::log1p(-threshold);
  const double position = (logit + kScoreLogitRange) / (2.0 * kScoreLogitRange) * kScoreBins;
  const double edge = std::ceil(position);
  return {static_cast<std::size_t>(std::clamp(edge, 0.0, static_cast<double>(kScoreBins))), edge == position};
}

Bounded area_under_curve(std::span<const std::uint64_t> positives, std::span<const std::uint64_t> negatives) {
  double below = 0.0;
  double wins = 0.0;
  double ties = 0.0;
  for (std::size_t bin = 0; bin < positives.size(); ++bin) {
    const auto pos = static_cast<double>(positives[bin]);
    const auto neg = static_cast<double>(negatives[bin]);
    wins += pos * below;
    ties += pos * neg;
    below += neg;
  }
  const double pairs = sum_of(positives) * below;
  return {(wins + 0.5 * ties) / pairs, 0.5 * ties / pairs};
}

Bounded share_above(std::span<const std::uint64_t> histogram, double threshold) {
  const Cut cut = cut_at(threshold);
  const double all = sum_of(histogram);
  const double above = sum_of(histogram.subspan(cut.bin));
  if (cut.exact || cut.bin == 0) return {above / all, 0.0};
  const double half = 0.5 * static_cast<double>(histogram[cut.bin - 1]);
  return {(above + half) / all, half / all};
}

}  // namespace consilium::task
