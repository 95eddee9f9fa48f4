#pragma once

#include <cstdint>
#include <span>

#include "client/trainer/task/surface_distance.h"
#include "common/task/task_spec.h"

namespace consilium::trainer {

/// Changes a predicted map by what is known of the structures' anatomy: first of each listed class all but its largest
/// connected part becomes background (of several largest ones the first stays), then the holes of each listed class are
/// filled. Parts are connected where voxels touch, at a corner too (8 neighbours in a picture, 26 in a volume); a hole
/// is background whose voxels share a side (4 and 6 neighbours) and that nothing of it connects with the map's edge.
/// What lies between the class and another one is no hole of either. Time is linear in the voxels for each rule.
/// @param map  grid.voxels() classes, row after row
/// @tparam Class  std::int64_t or std::uint8_t
template <class Class>
void postprocess(std::span<Class> map, const Grid& grid, const task::Postprocess& rules);
extern template void postprocess(std::span<std::int64_t> map, const Grid& grid, const task::Postprocess& rules);
extern template void postprocess(std::span<std::uint8_t> map, const Grid& grid, const task::Postprocess& rules);

}  // namespace consilium::trainer
