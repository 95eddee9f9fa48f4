#pragma once

#include <cstdint>
#include <string_view>

/// The fields that a segmentation task has in addition to the two common ones. A case is one example: an image or a
/// volume. Class 0 is the background; counts by case cover only the other classes.
namespace consilium::task {

inline constexpr std::string_view kOverlap = "overlap";  // classes x 3 pixels or voxels of all cases, see Overlap
inline constexpr std::string_view kCases = "cases";  // classes - 1: cases whose truth or prediction contains the class
inline constexpr std::string_view kDiceSums = "dice_sums";  // classes - 1: the cases' Dice coefficients, in kUnit
inline constexpr std::string_view kIouSums = "iou_sums";  // classes - 1: the cases' intersections over unions, in kUnit
inline constexpr std::string_view kDistances = "distances";  // (classes - 1) x kDistanceBins: cases by HD95

/// Columns of kOverlap.
enum Overlap : std::size_t { kIntersection = 0, kPredicted = 1, kTruth = 2, kOverlapCount = 3 };

/// Number of voxels that one site may count: the most that three limbs hold.
inline constexpr std::uint64_t kMaxSiteVoxels = 0xFFFFFFFFFFFFu;

/// Bins of a case's 95 % Hausdorff distance. Bin 0 holds only 0. The others grow by 2^(1/15), about 4.7 %, from
/// kLeastDistance to kMostDistance. Shorter distances are in bin 1, longer ones in the last bin.
inline constexpr std::uint32_t kDistanceBins = 256;
inline constexpr double kLeastDistance = 1.0 / 64;
inline constexpr double kMostDistance = 2048.0;

/// Returns the bin of a distance >= 0.
[[nodiscard]] std::size_t distance_bin(double distance);
/// Returns the end of a bin. Bin b begins where bin b - 1 ends, and bin 0 ends at 0.
[[nodiscard]] double distance_bin_end(std::size_t bin);

}  // namespace consilium::task
