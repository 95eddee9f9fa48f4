#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/data/prepare.h"
#include "client/trainer/data/volume.h"
#include "client/trainer/task/detections.h"

/// Takes what a model says of a prepared image back to the image that was prepared.
namespace consilium::predict {

/// Returns the class of each pixel or voxel, in the image's order. Where the prepared image was only cut or padded, it
/// is the class of the highest score, as evaluation takes it. Where it was resized, the classes' probabilities are
/// interpolated linearly at the centre of each pixel, and the most probable class is taken. What was cut off is class
/// 0.
/// @param scores   logits, a channel for each class, at most 256; changed
/// @param sides    of the image before it was prepared
/// @param threads  that share the work; the result doesn't depend on them
[[nodiscard]] std::vector<std::uint8_t> restore_classes(data::Volume& scores, const data::Placement& placement,
                                                        const data::Sides& sides, unsigned threads);

/// Moves detections from a prepared image to the image before, cut at its edges; those that lie beside it are left out.
[[nodiscard]] std::vector<trainer::Detection> restore_boxes(std::vector<trainer::Detection> detections,
                                                            const data::Placement& placement, const data::Sides& sides);

}  // namespace consilium::predict
