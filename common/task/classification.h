#pragma once

#include <string_view>

/// The fields that classification and multi-label tasks have in addition to the two common ones.
namespace consilium::task {

inline constexpr std::string_view kConfusion = "confusion";         // classes x classes, row = truth
inline constexpr std::string_view kPositives = "positive_scores";   // classes x kScoreBins
inline constexpr std::string_view kNegatives = "negative_scores";   // classes x kScoreBins
inline constexpr std::string_view kOutcomes = "outcomes";           // labels x 4, see Outcome
inline constexpr std::string_view kExactMatches = "exact_matches";  // 1: examples with every label predicted correctly

/// Columns of kOutcomes: the result of a label's prediction at the threshold.
enum Outcome : std::size_t {
  kTruePositive = 0,
  kFalsePositive = 1,
  kFalseNegative = 2,
  kTrueNegative = 3,
  kOutcomeCount = 4
};

}  // namespace consilium::task
