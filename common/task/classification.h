#pragma once

#include <string_view>

/// The fields that classification and multi-label tasks declare beside the first two.
namespace consilium::task {

inline constexpr std::string_view kConfusion = "confusion";         // classes x classes, row = truth
inline constexpr std::string_view kPositives = "positive_scores";   // classes x kScoreBins
inline constexpr std::string_view kNegatives = "negative_scores";   // classes x kScoreBins
inline constexpr std::string_view kOutcomes = "outcomes";           // labels x 4, see Outcome
inline constexpr std::string_view kExactMatches = "exact_matches";  // 1: examples all of whose labels are right

/// Columns of kOutcomes: what a label's prediction at the threshold turned out to be.
enum Outcome : std::size_t {
  kTruePositive = 0,
  kFalsePositive = 1,
  kFalseNegative = 2,
  kTrueNegative = 3,
  kOutcomeCount = 4
};

}  // namespace consilium::task
