#include "common/task/average_precision.h"

#include <algorithm>
#include <vector>

namespace consilium::task {
namespace {

constexpr std::size_t kRecalls = 101;

/// A point of the curve: the state after a bin that has hits, counted from the highest score down.
struct Point {
  double hits = 0.0;       ///< so far
  double precision = 0.0;  ///< highest from here on
};

/// @param hits_first  true if a bin's hits come before its misses
double interpolated(std::span<const std::uint64_t> hits, std::span<const std::uint64_t> detections, double truths,
                    bool hits_first) {
  std::vector<Point> points;
  double found = 0.0;
  double seen = 0.0;
  for (std::size_t bin = hits.size(); bin-- > 0;) {
    const auto right = static_cast<double>(hits[bin]);
    const auto all = static_cast<double>(detections[bin]);
    found += right;
    // Precision rises with each hit in a bin, so a bin's best point is after its last hit.
    if (right > 0.0) points.push_back({found, found / (seen + (hits_first ? right : all))});
    seen += all;
  }
  for (std::size_t i = points.size(); i-- > 1;)
    points[i - 1].precision = std::max(points[i - 1].precision, points[i].precision);
  double sum = 0.0;
  auto point = points.begin();
  for (std::size_t step = 0; step < kRecalls; ++step) {
    const double recall = static_cast<double>(step) * 0.01;  // pycocotools rounds in the same way
    while (point != points.end() && point->hits / truths < recall) ++point;
    if (point == points.end()) break;
    sum += point->precision;
  }
  return sum / static_cast<double>(kRecalls);
}

}  // namespace

Bounded average_precision(std::span<const std::uint64_t> hits, std::span<const std::uint64_t> detections,
                          std::uint64_t truths) {
  const auto all = static_cast<double>(truths);
  const double best = interpolated(hits, detections, all, true);
  const double worst = interpolated(hits, detections, all, false);
  return {0.5 * (best + worst), 0.5 * (best - worst)};
}

}  // namespace consilium::task
