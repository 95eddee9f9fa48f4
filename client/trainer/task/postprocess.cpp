#include "client/trainer/task/postprocess.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

namespace consilium::trainer {
namespace {

using Place = std::array<std::int64_t, 3>;

std::int64_t index_of(const Grid& grid, const Place& at) {
  return (at[0] * grid.size[1] + at[1]) * grid.size[2] + at[2];
}

Place place_of(const Grid& grid, std::int64_t index) {
  return {index / (grid.size[1] * grid.size[2]), index / grid.size[2] % grid.size[1], index % grid.size[2]};
}

/// Returns the steps to a voxel's neighbours: those that share a side, or all that touch.
std::vector<Place> steps_to_neighbours(bool corners) {
  std::vector<Place> steps;
  for (std::int64_t z = -1; z <= 1; ++z) {
    for (std::int64_t y = -1; y <= 1; ++y) {
      for (std::int64_t x = -1; x <= 1; ++x) {
        const std::int64_t moved = std::abs(z) + std::abs(y) + std::abs(x);
        if (moved == 1 || (corners && moved > 1)) steps.push_back({z, y, x});
      }
    }
  }
  return steps;
}

/// The connected components of voxels with the same value.
template <class Class>
class Parts {
 public:
  Parts(std::span<const Class> map, const Grid& grid, bool corners)
      : map_(map), grid_(grid), steps_(steps_to_neighbours(corners)), seen_(map.size(), false) {}

  /// Returns the component that contains a voxel, or an empty one if it was already returned.
  const std::vector<std::int64_t>& part_at(std::int64_t first) {
    part_.clear();
    if (seen_[static_cast<std::size_t>(first)]) return part_;
    const Class value = map_[static_cast<std::size_t>(first)];
    seen_[static_cast<std::size_t>(first)] = true;
    part_.push_back(first);
    for (std::size_t next = 0; next < part_.size(); ++next) {
      const Place at = place_of(grid_, part_[next]);
      for (const Place& step : steps_) {
        const Place to{at[0] + step[0], at[1] + step[1], at[2] + step[2]};
        if (!is_inside(to)) continue;
        const std::int64_t index = index_of(grid_, to);
        const auto voxel = static_cast<std::size_t>(index);
        if (seen_[voxel] || map_[voxel] != value) continue;
        seen_[voxel] = true;
        part_.push_back(index);
      }
    }
    return part_;
  }

 private:
  [[nodiscard]] bool is_inside(const Place& at) const {
    for (std::size_t d = 0; d < 3; ++d) {
      if (at[d] < 0 || at[d] >= grid_.size[d]) return false;
    }
    return true;
  }

  std::span<const Class> map_;
  const Grid& grid_;
  std::vector<Place> steps_;
  std::vector<bool> seen_;
  std::vector<std::int64_t> part_;
};

template <class Class>
void keep_largest(std::span<Class> map, const Grid& grid, Class of_class) {
  Parts<Class> parts(map, grid, true);
  std::vector<std::int64_t> largest, others;
  for (std::size_t voxel = 0; voxel < map.size(); ++voxel) {
    if (map[voxel] != of_class) continue;
    const std::vector<std::int64_t>& part = parts.part_at(static_cast<std::int64_t>(voxel));
    if (part.size() > largest.size()) {
      others.insert(others.end(), largest.begin(), largest.end());
      largest = part;
    } else {
      others.insert(others.end(), part.begin(), part.end());
    }
  }
  for (const std::int64_t voxel : others) map[static_cast<std::size_t>(voxel)] = 0;
}

/// Returns true if a component touches the map's edge or a voxel of a class other than background and this one. A
/// picture has no edge in depth.
template <class Class>
bool is_open(std::span<Class> map, const Grid& grid, const std::vector<std::int64_t>& part, Class of_class) {
  for (const std::int64_t voxel : part) {
    const Place at = place_of(grid, voxel);
    for (std::size_t d = 0; d < 3; ++d) {
      if (grid.size[d] == 1 && d == 0) continue;
      for (const std::int64_t step : {-1, 1}) {
        Place to = at;
        to[d] += step;
        if (to[d] < 0 || to[d] >= grid.size[d]) return true;
        const Class beside = map[static_cast<std::size_t>(index_of(grid, to))];
        if (beside != 0 && beside != of_class) return true;
      }
    }
  }
  return false;
}

template <class Class>
void fill_holes(std::span<Class> map, const Grid& grid, Class of_class) {
  Parts<Class> parts(map, grid, false);
  std::vector<std::int64_t> holes;
  for (std::size_t voxel = 0; voxel < map.size(); ++voxel) {
    if (map[voxel] != 0) continue;
    const std::vector<std::int64_t>& part = parts.part_at(static_cast<std::int64_t>(voxel));
    if (!part.empty() && !is_open(map, grid, part, of_class)) holes.insert(holes.end(), part.begin(), part.end());
  }
  for (const std::int64_t voxel : holes) map[static_cast<std::size_t>(voxel)] = of_class;
}

}  // namespace

template <class Class>
void postprocess(std::span<Class> map, const Grid& grid, const task::Postprocess& rules) {
  for (const std::uint32_t one : rules.largest_component) keep_largest(map, grid, static_cast<Class>(one));
  for (const std::uint32_t one : rules.fill_holes) fill_holes(map, grid, static_cast<Class>(one));
}

template void postprocess(std::span<std::int64_t> map, const Grid& grid, const task::Postprocess& rules);
template void postprocess(std::span<std::uint8_t> map, const Grid& grid, const task::Postprocess& rules);

}  // namespace consilium::trainer
