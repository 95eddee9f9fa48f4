#pragma once

#include <cstdint>
#include <span>

#include "client/trainer/task/surface_distance.h"
#include "common/task/task_spec.h"

namespace consilium::trainer {

/// Corrects a predicted map with prior knowledge of the structures' anatomy. First, all but the largest connected
/// component of each listed class become background (of several equally large ones the first stays). Then the holes of
/// each listed class are filled. Components connect voxels that touch, also at a corner (8 neighbours in a picture, 26
/// in a volume). A hole is a component of background whose voxels share a side (4 or 6 neighbours) and that doesn't
/// reach the map's edge. Background that also borders another class isn't a hole of either. Time is linear in the
/// number of voxels for each rule.
/// @param map  grid.voxels() classes, row after row
/// @tparam Class  std::int64_t or std::uint8_t
template <class Class>
void postprocess(std::span<Class> map, const Grid& grid, const task::Postprocess& rules);
extern template void postprocess(std::span<std::int64_t> map, const Grid& grid, const task::Postprocess& rules);
extern template void postprocess(std::span<std::uint8_t> map, const Grid& grid, const task::Postprocess& rules);

}  // namespace consilium::trainer
