#include "client/trainer/task/surface_distance.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/catch.h"

namespace consilium::trainer {
namespace {

using Map = std::vector<std::int64_t>;

/// Compares every pair of surface voxels.
double by_pairs(const Map& left, const Map& right, const Grid& grid) {
  struct Place {
    double z, y, x;
  };
  const auto surface = [&](const Map& map) {
    const auto has = [&](std::int64_t z, std::int64_t y, std::int64_t x) {
      return z >= 0 && y >= 0 && x >= 0 && z < grid.size[0] && y < grid.size[1] && x < grid.size[2] &&
             map[static_cast<std::size_t>((z * grid.size[1] + y) * grid.size[2] + x)] == 1;
    };
    std::vector<Place> places;
    for (std::int64_t z = 0; z < grid.size[0]; ++z)
      for (std::int64_t y = 0; y < grid.size[1]; ++y)
        for (std::int64_t x = 0; x < grid.size[2]; ++x) {
          if (!has(z, y, x)) continue;
          const bool inside = (grid.size[0] == 1 || (has(z - 1, y, x) && has(z + 1, y, x))) && has(z, y - 1, x) &&
                              has(z, y + 1, x) && has(z, y, x - 1) && has(z, y, x + 1);
          if (!inside)
            places.push_back({static_cast<double>(z) * grid.spacing[0], static_cast<double>(y) * grid.spacing[1],
                              static_cast<double>(x) * grid.spacing[2]});
        }
    return places;
  };
  const auto directed = [](const std::vector<Place>& from, const std::vector<Place>& to) {
    std::vector<double> nearest;
    for (const Place& a : from) {
      double least = INFINITY;
      for (const Place& b : to) least = std::min(least, std::hypot(a.z - b.z, a.y - b.y, a.x - b.x));
      nearest.push_back(least);
    }
    std::sort(nearest.begin(), nearest.end());
    const double position = 0.95 * static_cast<double>(nearest.size() - 1);
    const auto rank = static_cast<std::size_t>(position);
    const double next = nearest[std::min(rank + 1, nearest.size() - 1)];
    return nearest[rank] + (next - nearest[rank]) * (position - static_cast<double>(rank));
  };
  const auto a = surface(left);
  const auto b = surface(right);
  return std::max(directed(a, b), directed(b, a));
}

TEST_CASE("the 95 % Hausdorff distance is that of all pairs of surface voxels") {
  std::mt19937 random(7);
  for (int trial = 0; trial < 60; ++trial) {
    Grid grid;
    grid.size = {trial % 2 == 0 ? 1 : 1 + static_cast<std::int64_t>(random() % 6),
                 1 + static_cast<std::int64_t>(random() % 9), 2 + static_cast<std::int64_t>(random() % 9)};
    for (double& step : grid.spacing) step = 0.25 * static_cast<double>(1 + random() % 12);
    Map left(static_cast<std::size_t>(grid.voxels()));
    Map right(left.size());
    const unsigned dense = 1 + random() % 4;
    for (std::size_t i = 0; i < left.size(); ++i) {
      left[i] = random() % 5 < dense ? 1 : 0;
      right[i] = random() % 5 < dense ? 1 : 2;
    }
    left[random() % left.size()] = right[random() % left.size()] = 1;
    const auto distance = hausdorff_95(left, right, 1, grid);
    REQUIRE(distance.has_value());
    CHECK(*distance == Approx(by_pairs(left, right, grid)).margin(1e-9));
  }
}

TEST_CASE("there is no distance to a class that isn't there") {
  const Grid grid{{1, 2, 3}, {1, 1, 1}};
  const Map some{0, 1, 0, 0, 0, 0};
  const Map none(6, 0);
  CHECK_FALSE(hausdorff_95(some, none, 1, grid).has_value());
  CHECK_FALSE(hausdorff_95(none, some, 1, grid).has_value());
  CHECK_FALSE(hausdorff_95(none, none, 1, grid).has_value());
  CHECK(hausdorff_95(some, some, 1, grid) == 0.0);
}

}  // namespace
}  // namespace consilium::trainer
