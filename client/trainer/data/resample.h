#pragma once

#include <array>
#include <functional>

#include "client/trainer/data/target.h"
#include "client/trainer/data/volume.h"

namespace consilium::data {

/// A place in a volume, in voxels along D, H and W; the first voxel's centre is at 0.
using Place = std::array<double, 3>;
/// Says which place of the source a voxel of the result comes from.
using PlaceOf = std::function<Place(std::int64_t d, std::int64_t h, std::int64_t w)>;

/// Resamples to other sides: places by `from`, values linearly interpolated, the border's beyond the edge. Values of
/// bytes stay whole numbers. Where the result is smaller along an axis, `reduce` averages over that many voxels, so
/// that fine structures don't alias.
/// @param reduce  voxels of the source that one of the result covers, along D, H, W; 1 or less: no averaging
Volume resample(const Volume& volume, const Sides& sides, const PlaceOf& from, const std::array<double, 3>& reduce);
/// The same for classes: that of the nearest voxel.
Mask resample(const Mask& mask, const Sides& sides, const PlaceOf& from);

/// Stretches a volume to sides, edges on edges.
Volume resize(const Volume& volume, const Sides& sides);
Mask resize(const Mask& mask, const Sides& sides);
/// Stretches boxes by the sides of the image before and after.
void resize(Boxes& boxes, const Sides& before, const Sides& after);

}  // namespace consilium::data
