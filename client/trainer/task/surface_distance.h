#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace consilium::trainer {

/// The size of a map of one class for each voxel: depth, height and width; a picture has the depth 1.
struct Grid {
  std::array<std::int64_t, 3> size{1, 1, 1};
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< of a voxel along each dimension, > 0
  [[nodiscard]] std::int64_t voxels() const { return size[0] * size[1] * size[2]; }
};

/// Computes the 95 % Hausdorff distance of one class in two maps: the larger one of the two 95th percentiles (linearly
/// interpolated) of the distances from each surface voxel in one to the nearest surface voxel in the other. A voxel is
/// on the surface where a neighbour along a dimension is of another class or outside of the map. Nothing where one of
/// the maps lacks the class. Time is linear in the voxels of the box that holds the class.
/// @param left, right  grid.voxels() classes each, row after row
[[nodiscard]] std::optional<double> hausdorff_95(std::span<const std::int64_t> left,
                                                 std::span<const std::int64_t> right, std::int64_t of_class,
                                                 const Grid& grid);

/// Computes the signed distance of each voxel to a class: outside of it the distance to the nearest voxel that has it,
/// inside minus the distance to the nearest one that hasn't. All 0 where no voxel has the class, or all have.
/// @param map  grid.voxels() classes, row after row   @param to  as many
void signed_distances(std::span<const std::int64_t> map, std::int64_t of_class, const Grid& grid, std::span<float> to);

}  // namespace consilium::trainer
