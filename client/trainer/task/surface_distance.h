#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace consilium::trainer {

/// The size of a map with one class for each voxel: depth, height and width. A picture has depth 1.
struct Grid {
  std::array<std::int64_t, 3> size{1, 1, 1};
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< of a voxel along each dimension, > 0
  [[nodiscard]] std::int64_t voxels() const { return size[0] * size[1] * size[2]; }
};

/// Computes the 95 % Hausdorff distance of one class in two maps: the larger of the two 95th percentiles (linearly
/// interpolated) of the distances from each surface voxel in one map to the nearest surface voxel in the other. A voxel
/// is on the surface if a neighbour along a dimension has another class or is outside the map. Returns nothing if one
/// of the maps lacks the class. Time is linear in the number of voxels of the class's bounding box.
/// @param left, right  grid.voxels() classes each, row after row
[[nodiscard]] std::optional<double> hausdorff_95(std::span<const std::int64_t> left,
                                                 std::span<const std::int64_t> right, std::int64_t of_class,
                                                 const Grid& grid);

/// Computes the signed distance of each voxel to a class: outside the class the distance to the nearest voxel that has
/// it, inside it minus the distance to the nearest voxel that doesn't. All distances are 0 if no voxel or every voxel
/// has the class.
/// @param map  grid.voxels() classes, row after row
/// @param to   as many distances
void signed_distances(std::span<const std::int64_t> map, std::int64_t of_class, const Grid& grid, std::span<float> to);

}  // namespace consilium::trainer
