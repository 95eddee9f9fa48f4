#include "client/trainer/task/surface_distance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace consilium::trainer {
namespace {

using Index = std::array<std::int64_t, 3>;

constexpr double kFar = std::numeric_limits<double>::infinity();

std::int64_t at(const Grid& grid, const Index& i) { return (i[0] * grid.size[1] + i[1]) * grid.size[2] + i[2]; }

/// Calls `visit` for each index of a grid, row after row.
template <class Visit>
void for_each_voxel(const Grid& grid, Visit visit) {
  for (std::int64_t z = 0; z < grid.size[0]; ++z) {
    for (std::int64_t y = 0; y < grid.size[1]; ++y) {
      for (std::int64_t x = 0; x < grid.size[2]; ++x) visit(Index{z, y, x});
    }
  }
}

/// The bounding box of a class in two maps; empty if neither has it.
struct Part {
  Index first{std::numeric_limits<std::int64_t>::max(), 0, 0};
  Index last{-1, -1, -1};
};
Part part_of(std::span<const std::int64_t> left, std::span<const std::int64_t> right, std::int64_t of_class,
             const Grid& grid) {
  Part part{{grid.size[0], grid.size[1], grid.size[2]}, {-1, -1, -1}};
  for_each_voxel(grid, [&](const Index& i) {
    const auto voxel = static_cast<std::size_t>(at(grid, i));
    if (left[voxel] != of_class && right[voxel] != of_class) return;
    for (std::size_t d = 0; d < 3; ++d) {
      part.first[d] = std::min(part.first[d], i[d]);
      part.last[d] = std::max(part.last[d], i[d]);
    }
  });
  return part;
}

/// Marks the surface of a class within a part of the map, and returns the number of its voxels.
std::int64_t mark_surface(std::span<const std::int64_t> map, std::int64_t of_class, const Grid& whole, const Part& part,
                          const Grid& grid, std::vector<std::uint8_t>& marks) {
  std::int64_t count = 0;
  const auto has = [&](const Index& i) {
    for (std::size_t d = 0; d < 3; ++d) {
      if (i[d] < 0 || i[d] >= whole.size[d]) return false;
    }
    return map[static_cast<std::size_t>(at(whole, i))] == of_class;
  };
  marks.assign(static_cast<std::size_t>(grid.voxels()), 0);
  for_each_voxel(grid, [&](const Index& i) {
    const Index voxel{i[0] + part.first[0], i[1] + part.first[1], i[2] + part.first[2]};
    if (!has(voxel)) return;
    bool surface = false;
    for (std::size_t d = 0; d < 3 && !surface; ++d) {
      if (d == 0 && whole.size[0] == 1) continue;  // a picture has no neighbours in depth
      Index before = voxel;
      Index after = voxel;
      --before[d];
      ++after[d];
      surface = !has(before) || !has(after);
    }
    if (!surface) return;
    marks[static_cast<std::size_t>(at(grid, i))] = 1;
    ++count;
  });
  return count;
}

/// Transforms squared distances along one line with the lower envelope of parabolas (Felzenszwalb and Huttenlocher
/// 2012).
class LineTransform {
 public:
  void run(std::vector<double>& line, double spacing) {
    const std::size_t size = line.size();
    vertex_.assign(size, 0);
    border_.assign(size + 1, kFar);
    std::size_t count = 0;
    for (std::size_t q = 0; q < size; ++q) {
      if (line[q] == kFar) continue;
      while (count > 0 && crossing(line, vertex_[count - 1], q, spacing) <= border_[count - 1]) --count;
      border_[count] = count == 0 ? -kFar : crossing(line, vertex_[count - 1], q, spacing);
      vertex_[count++] = q;
    }
    if (count == 0) return;
    out_.resize(size);
    std::size_t k = 0;
    for (std::size_t q = 0; q < size; ++q) {
      const double x = static_cast<double>(q) * spacing;
      while (k + 1 < count && border_[k + 1] < x) ++k;
      const double step = x - static_cast<double>(vertex_[k]) * spacing;
      out_[q] = step * step + line[vertex_[k]];
    }
    line.swap(out_);
  }

 private:
  /// Returns the point at which the parabolas of two vertices cross.
  static double crossing(const std::vector<double>& line, std::size_t p, std::size_t q, double spacing) {
    const double a = static_cast<double>(p) * spacing;
    const double b = static_cast<double>(q) * spacing;
    return ((line[q] + b * b) - (line[p] + a * a)) / (2.0 * (b - a));
  }

  std::vector<std::size_t> vertex_;
  std::vector<double> border_;  ///< parabola k is the lowest between border k and border k + 1
  std::vector<double> out_;
};

/// Returns the squared distance from each voxel to the nearest marked one.
std::vector<double> distances_to(const std::vector<std::uint8_t>& marks, const Grid& grid) {
  std::vector<double> squares(marks.size());
  std::transform(marks.begin(), marks.end(), squares.begin(), [](std::uint8_t mark) { return mark != 0 ? 0.0 : kFar; });
  LineTransform transform;
  std::vector<double> line;
  const Index strides{grid.size[1] * grid.size[2], grid.size[2], 1};
  for (std::size_t d = 0; d < 3; ++d) {
    if (grid.size[d] == 1) continue;
    Grid starts = grid;
    starts.size[d] = 1;
    for_each_voxel(starts, [&](const Index& i) {
      const std::int64_t first = at(grid, i);
      line.resize(static_cast<std::size_t>(grid.size[d]));
      for (std::size_t k = 0; k < line.size(); ++k)
        line[k] = squares[static_cast<std::size_t>(first + static_cast<std::int64_t>(k) * strides[d])];
      transform.run(line, grid.spacing[d]);
      for (std::size_t k = 0; k < line.size(); ++k)
        squares[static_cast<std::size_t>(first + static_cast<std::int64_t>(k) * strides[d])] = line[k];
    });
  }
  return squares;
}

/// Returns the 95th percentile, linearly interpolated between the two nearest ranks as in numpy.
double percentile_95(std::vector<double> values) {
  const double position = 0.95 * static_cast<double>(values.size() - 1);
  const auto rank = static_cast<std::size_t>(position);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), middle, values.end());
  const double low = *middle;
  if (rank + 1 >= values.size()) return low;
  const double high = *std::min_element(middle + 1, values.end());
  return low + (high - low) * (position - static_cast<double>(rank));
}

double directed(const std::vector<std::uint8_t>& from, const std::vector<std::uint8_t>& to, const Grid& grid) {
  const std::vector<double> squares = distances_to(to, grid);
  std::vector<double> found;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 0) found.push_back(std::sqrt(squares[i]));
  }
  return percentile_95(std::move(found));
}

}  // namespace

std::optional<double> hausdorff_95(std::span<const std::int64_t> left, std::span<const std::int64_t> right,
                                   std::int64_t of_class, const Grid& grid) {
  const Part part = part_of(left, right, of_class, grid);
  if (part.last[0] < 0) return std::nullopt;
  Grid inner = grid;
  for (std::size_t d = 0; d < 3; ++d) inner.size[d] = part.last[d] - part.first[d] + 1;
  std::vector<std::uint8_t> left_surface;
  std::vector<std::uint8_t> right_surface;
  if (mark_surface(left, of_class, grid, part, inner, left_surface) == 0 ||
      mark_surface(right, of_class, grid, part, inner, right_surface) == 0)
    return std::nullopt;
  return std::max(directed(left_surface, right_surface, inner), directed(right_surface, left_surface, inner));
}

void signed_distances(std::span<const std::int64_t> map, std::int64_t of_class, const Grid& grid, std::span<float> to) {
  std::ranges::fill(to, 0.0F);
  std::vector<std::uint8_t> inside(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) inside[i] = map[i] == of_class ? 1 : 0;
  const auto having = std::ranges::count(inside, std::uint8_t{1});
  if (having == 0 || static_cast<std::size_t>(having) == inside.size()) return;
  const std::vector<double> to_class = distances_to(inside, grid);
  for (std::uint8_t& mark : inside) mark = mark == 0 ? 1 : 0;
  const std::vector<double> to_others = distances_to(inside, grid);
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<float>(std::sqrt(to_class[i]) - std::sqrt(to_others[i]));
}

}  // namespace consilium::trainer
