#include "client/trainer/data/atlas.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "common/job/atlas_file.h"
#include "common/job/job_limits.h"

namespace consilium::data {
namespace {

/// The least determinant of the linear part, relative to the lengths of its columns. Below it, the three axes count as
/// coplanar.
constexpr double kLeastDeterminant = 1e-9;

double determinant(const Affine& m) {
  return m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
}

std::optional<Affine> inverse(const Affine& m) {
  double lengths = 1.0;
  for (std::size_t column = 0; column < 3; ++column)
    lengths *= std::sqrt(m[column] * m[column] + m[4 + column] * m[4 + column] + m[8 + column] * m[8 + column]);
  const double size = determinant(m);
  if (!(std::abs(size) > kLeastDeterminant * lengths)) return std::nullopt;
  Affine inverted{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      const std::size_t a = (column + 1) % 3, b = (column + 2) % 3, c = (row + 1) % 3, d = (row + 2) % 3;
      inverted[4 * row + column] = (m[4 * a + c] * m[4 * b + d] - m[4 * a + d] * m[4 * b + c]) / size;
    }
    for (std::size_t column = 0; column < 3; ++column)
      inverted[4 * row + 3] -= inverted[4 * row + column] * m[4 * column + 3];
  }
  for (const double value : inverted) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return inverted;
}

/// Returns the map that applies `second` first and then `first`.
Affine product(const Affine& first, const Affine& second) {
  Affine both{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) {
      double& value = both[4 * row + column];
      value = column == 3 ? first[4 * row + 3] : 0.0;
      for (std::size_t k = 0; k < 3; ++k) value += first[4 * row + k] * second[4 * k + column];
    }
  }
  return both;
}

/// Returns the map from a prepared image's voxels (column, row, slice), by their centres, to those of the original
/// image.
Affine affine_of(const Placement& placement) {
  Affine affine{};
  for (std::size_t row = 0; row < 3; ++row) {
    const std::size_t axis = 2 - row;  // columns run along W, the last axis
    affine[5 * row] = placement.scale[axis];
    affine[4 * row + 3] = 0.5 * placement.scale[axis] + placement.offset[axis] - 0.5;
  }
  return affine;
}

/// The position of one sample between two of the atlas's voxels along one axis, and the weight of each.
struct Between {
  std::int64_t low = 0;
  double high_share = 0.0;
};

/// Adds the value of every map at a point to one voxel of the result, channel by channel.
class Sampler {
 public:
  Sampler(const Volume& maps, Volume& result) : maps_(maps), result_(result) {}

  /// @param place  (column, row, slice) in the atlas
  /// @param to     the voxel of the result
  void sample(const std::array<double, 3>& place, std::size_t to) const {
    std::array<Between, 3> between{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double at = place[2 - axis];
      // Also false for NaN.
      if (!(at > -1.0 && at < static_cast<double>(maps_.sides[axis]))) return;
      const double low = std::floor(at);
      between[axis] = {static_cast<std::int64_t>(low), at - low};
    }
    for (unsigned corner = 0; corner < 8; ++corner) add_corner(between, corner, to);
  }

 private:
  void add_corner(const std::array<Between, 3>& between, unsigned corner, std::size_t to) const {
    double share = 1.0;
    std::size_t from = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const bool high = (corner >> axis & 1U) != 0;
      const std::int64_t index = between[axis].low + (high ? 1 : 0);
      share *= high ? between[axis].high_share : 1.0 - between[axis].high_share;
      if (index < 0 || index >= maps_.sides[axis]) return;
      from = from * static_cast<std::size_t>(maps_.sides[axis]) + static_cast<std::size_t>(index);
    }
    if (share == 0.0) return;
    for (std::size_t c = 0; c < static_cast<std::size_t>(maps_.channels); ++c)
      result_.values[c * result_.plane() + to] += static_cast<float>(share) * maps_.values[c * maps_.plane() + from];
  }

  const Volume& maps_;
  Volume& result_;
};

}  // namespace

Result<std::shared_ptr<const Atlas>> Atlas::create(Volume maps, const Affine& affine) {
  const auto to_voxel = inverse(affine);
  if (!to_voxel) return refuse("its position maps voxels to a plane; expected three independent axes");
  return std::shared_ptr<const Atlas>(new Atlas(std::move(maps), *to_voxel));
}

Result<std::shared_ptr<const Atlas>> Atlas::read(ImageDecoder& decoder, const trainer::AtlasFile& file) {
  CONSILIUM_TRY(job::read_atlas_file(file.path, file.sha256));
  CONSILIUM_ASSIGN(const DecodedImage decoded, decoder.decode(file.path, {.max_bytes = job::kMaxAtlasBytes}));
  const auto problem = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", file.path, what));
  };
  if (!decoded.has_position || decoded.shape.size() != 4)
    return problem("expected an atlas that is a volume with a position in space, as NIfTI files have it");
  if (std::cmp_not_equal(decoded.shape[0], file.channels))
    return problem(fmt::format("expected {} maps, as the job's data.atlas.channels says, found {}", file.channels,
                               decoded.shape[0]));
  auto atlas = create(to_volume(decoded), decoded.affine);
  if (!atlas) return fail(atlas.error().within(file.path));
  return atlas;
}

Volume Atlas::at(const Affine& space, const Placement& placement, const Sides& sides) const {
  Volume result;
  result.channels = maps_.channels;
  result.sides = sides;
  result.values.assign(static_cast<std::size_t>(result.channels) * result.plane(), 0.0F);
  const Affine from = product(to_voxel_, product(space, affine_of(placement)));
  const Sampler sampler(maps_, result);
  std::size_t to = 0;
  for (std::int64_t d = 0; d < sides[0]; ++d) {
    for (std::int64_t h = 0; h < sides[1]; ++h) {
      for (std::int64_t w = 0; w < sides[2]; ++w, ++to) {
        std::array<double, 3> place{};
        for (std::size_t row = 0; row < 3; ++row) {
          place[row] = from[4 * row] * static_cast<double>(w) + from[4 * row + 1] * static_cast<double>(h) +
                       from[4 * row + 2] * static_cast<double>(d) + from[4 * row + 3];
        }
        sampler.sample(place, to);
      }
    }
  }
  return result;
}

}  // namespace consilium::data
