#pragma once

#include <cstdint>
#include <span>

#include "common/task/score_histogram.h"

namespace consilium::task {

/// Computes COCO's average precision from histograms by ascending score: the mean, over the recalls 0, 0.01, ... 1, of
/// the highest precision at that recall or beyond (Lin et al. 2014; pycocotools). Within a bin the order of hits and
/// misses is unknown. Precision is highest where all hits come first, and lowest where they come last, so the exact
/// value lies between the two: the middle is returned, and half of the distance as its error.
/// @param hits        detections that found a box, by bin
/// @param detections  all of them, by bin; no bin has fewer than hits
/// @param truths      boxes that there are, at least 1 and no fewer than hits
[[nodiscard]] Bounded average_precision(std::span<const std::uint64_t> hits, std::span<const std::uint64_t> detections,
                                        std::uint64_t truths);

}  // namespace consilium::task
