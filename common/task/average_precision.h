#pragma once

#include <cstdint>
#include <span>

#include "common/task/score_histogram.h"

namespace consilium::task {

/// Computes COCO's average precision from histograms by ascending score: the mean, over the recalls 0, 0.01, ... 1, of
/// the highest precision at that recall or beyond (Lin et al. 2014; pycocotools). The order of hits and misses within a
/// bin is unknown. Precision is highest if all hits come first and lowest if they come last, so the exact value lies
/// between these two. Returns the middle of the two, and half of their distance as the error.
/// @param hits        detections that found a box, by bin
/// @param detections  all detections, by bin; at least as many as hits in each bin
/// @param truths      number of true boxes, at least 1 and no fewer than hits
[[nodiscard]] Bounded average_precision(std::span<const std::uint64_t> hits, std::span<const std::uint64_t> detections,
                                        std::uint64_t truths);

}  // namespace consilium::task
