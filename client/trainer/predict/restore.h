#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/data/prepare.h"
#include "client/trainer/data/volume.h"
#include "client/trainer/task/detections.h"

/// Maps a model's predictions for a prepared image back to the image before preparation.
namespace consilium::predict {

/// Returns the class of each pixel or voxel, in the image's order. If the prepared image was only cropped or padded, it
/// is the class with the highest score, as in evaluation. If it was resized, the classes' probabilities are
/// interpolated linearly at the centre of each pixel, and the most probable class is chosen. Whatever was cropped off
/// is class 0.
/// @param scores   logits, a channel for each class, at most 256; changed
/// @param sides    of the image before it was prepared
/// @param threads  number of threads; doesn't affect the result
[[nodiscard]] std::vector<std::uint8_t> restore_classes(data::Volume& scores, const data::Placement& placement,
                                                        const data::Sides& sides, unsigned threads);

/// Maps detections from a prepared image to the image before preparation, clipped to it. Detections outside it are left
/// out.
[[nodiscard]] std::vector<trainer::Detection> restore_boxes(std::vector<trainer::Detection> detections,
                                                            const data::Placement& placement, const data::Sides& sides);

}  // namespace consilium::predict
