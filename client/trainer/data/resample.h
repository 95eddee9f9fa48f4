#pragma once

#include <array>
#include <functional>

#include "client/trainer/data/target.h"
#include "client/trainer/data/volume.h"

namespace consilium::data {

/// A point in a volume, in voxels along D, H and W; the centre of the first voxel is at 0.
using Place = std::array<double, 3>;
/// Returns the point of the source that a voxel of the result is sampled at.
using PlaceOf = std::function<Place(std::int64_t d, std::int64_t h, std::int64_t w)>;

/// Resamples a volume to other sides. `from` gives the points to sample; values are interpolated linearly, and outside
/// the volume the border's values count. Bytes stay whole numbers. If the result is smaller along an axis, `reduce`
/// averages over that many voxels, so that fine structures don't alias.
/// @param reduce  number of source voxels that one voxel of the result covers, along D, H, W; 1 or less: no averaging
Volume resample(const Volume& volume, const Sides& sides, const PlaceOf& from, const std::array<double, 3>& reduce);
/// Resamples a mask in the same way; each voxel gets the class of the nearest voxel.
Mask resample(const Mask& mask, const Sides& sides, const PlaceOf& from);

/// Stretches a volume to these sides, so that the edges coincide.
Volume resize(const Volume& volume, const Sides& sides);
Mask resize(const Mask& mask, const Sides& sides);
/// Scales boxes from the sides of the image before to those after.
void resize(Boxes& boxes, const Sides& before, const Sides& after);

}  // namespace consilium::data
