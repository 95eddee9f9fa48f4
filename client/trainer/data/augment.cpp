#include "client/trainer/data/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "client/trainer/data/resample.h"

namespace consilium::data {
namespace {

/// Number of grid cells of a smooth displacement along each side.
constexpr std::size_t kCells = 4;
constexpr std::size_t kKnots = kCells + 3;
/// Iterations to invert a displacement; it changes slowly, so a few are enough.
constexpr int kInverseRounds = 8;

double uniform(RandomStream& stream, double most) { return (2.0 * stream.next_double() - 1.0) * most; }

/// Draws a factor from 1 / (1 + most) to 1 + most.
double factor(RandomStream& stream, double most) { return std::exp(uniform(stream, std::log1p(most))); }

/// Returns the weights of the four knots around a point, for a uniform cubic B-spline.
std::array<double, 4> spline(double t) {
  const double u = 1.0 - t;
  return {u * u * u / 6.0, (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
          (-3.0 * t * t * t + 3.0 * t * t + 3.0 * t + 1.0) / 6.0, t * t * t / 6.0};
}

/// Maps each point of the changed image to the source.
class Motion {
 public:
  Motion(const trainer::Augment& augment, const Volume& image, RandomStream& stream) : sides_(image.sides) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      centre_[axis] = static_cast<double>(sides_[axis] - 1) / 2.0;
      const bool drawn = stream.next_double() < 0.5;
      flip_[axis] = augment.flip[axis] && drawn && sides_[axis] > 1 ? -1.0 : 1.0;
    }
    const double angle = uniform(stream, augment.rotate) * std::numbers::pi / 180.0;
    cosine_ = std::cos(angle);
    sine_ = std::sin(angle);
    scale_ = factor(stream, augment.scale);
    aspect_ = image.spacing[1] / image.spacing[2];
    for (std::size_t axis = 0; axis < 3; ++axis)
      shift_[axis] = uniform(stream, augment.shift) * static_cast<double>(sides_[axis]);
    if (augment.elastic > 0.0) draw_knots(augment.elastic, stream);
  }

  /// Returns the point that a voxel of the result is sampled at.
  [[nodiscard]] Place source(const Place& target) const {
    Place place = target;
    if (!knots_.empty()) {
      const Place moved = displacement(target);
      for (std::size_t axis = 0; axis < 3; ++axis) place[axis] += moved[axis];
    }
    return turn_back(place);
  }

  /// Returns the point that a point of the source moves to.
  [[nodiscard]] Place target(const Place& source) const {
    const Place turned = turn(source);
    Place place = turned;
    for (int round = 0; round < kInverseRounds && !knots_.empty(); ++round) {
      const Place moved = displacement(place);
      for (std::size_t axis = 0; axis < 3; ++axis) place[axis] = turned[axis] - moved[axis];
    }
    return place;
  }

 private:
  [[nodiscard]] Place turn_back(const Place& place) const {
    Place from{};
    for (std::size_t axis = 0; axis < 3; ++axis) from[axis] = place[axis] - centre_[axis] - shift_[axis];
    const double h = from[1] * aspect_, w = from[2];
    from[1] = (cosine_ * h - sine_ * w) / aspect_;
    from[2] = sine_ * h + cosine_ * w;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      // A single plane stays where it is.
      from[axis] = sides_[axis] == 1 ? 0.0 : from[axis] * flip_[axis] / scale_ + centre_[axis];
    }
    return from;
  }

  [[nodiscard]] Place turn(const Place& place) const {
    Place to{};
    for (std::size_t axis = 0; axis < 3; ++axis) to[axis] = (place[axis] - centre_[axis]) * flip_[axis] * scale_;
    const double h = to[1] * aspect_, w = to[2];
    to[1] = (cosine_ * h + sine_ * w) / aspect_;
    to[2] = -sine_ * h + cosine_ * w;
    for (std::size_t axis = 0; axis < 3; ++axis) to[axis] += centre_[axis] + shift_[axis];
    return to;
  }

  void draw_knots(double strength, RandomStream& stream) {
    knots_.resize(kKnots * kKnots * kKnots);
    for (Place& knot : knots_) {
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const double drawn = stream.next_normal() * strength;
        knot[axis] = sides_[axis] == 1 ? 0.0 : drawn;
      }
    }
  }

  [[nodiscard]] Place displacement(const Place& place) const {
    std::array<std::size_t, 3> cell{};
    std::array<std::array<double, 4>, 3> weights{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double most = static_cast<double>(std::max<std::int64_t>(sides_[axis] - 1, 1));
      const double at = std::clamp(place[axis] / most, 0.0, 1.0) * static_cast<double>(kCells);
      cell[axis] = std::min(static_cast<std::size_t>(at), kCells - 1);
      weights[axis] = spline(at - static_cast<double>(cell[axis]));
    }
    Place sum{};
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        for (std::size_t k = 0; k < 4; ++k) {
          const double weight = weights[0][i] * weights[1][j] * weights[2][k];
          const Place& knot = knots_[((cell[0] + i) * kKnots + cell[1] + j) * kKnots + cell[2] + k];
          for (std::size_t axis = 0; axis < 3; ++axis) sum[axis] += weight * knot[axis];
        }
      }
    }
    return sum;
  }

  Sides sides_;
  std::array<double, 3> centre_{}, flip_{1.0, 1.0, 1.0}, shift_{};
  double cosine_ = 1.0, sine_ = 0.0, scale_ = 1.0, aspect_ = 1.0;
  std::vector<Place> knots_;
};

/// Returns the smallest box that contains the moved corners and edge midpoints.
Box moved(const Box& box, const Motion& motion) {
  Box around{1e30F, 1e30F, -1e30F, -1e30F, box.label};
  for (int i = 0; i <= 2; ++i) {
    for (int j = 0; j <= 2; ++j) {
      // A pixel's centre is half a pixel from its edge.
      const double x = box.left + (box.right - box.left) * static_cast<float>(i) / 2.0F - 0.5F;
      const double y = box.top + (box.bottom - box.top) * static_cast<float>(j) / 2.0F - 0.5F;
      const Place place = motion.target({0.0, y, x});
      around.left = std::min(around.left, static_cast<float>(place[2] + 0.5));
      around.right = std::max(around.right, static_cast<float>(place[2] + 0.5));
      around.top = std::min(around.top, static_cast<float>(place[1] + 0.5));
      around.bottom = std::max(around.bottom, static_cast<float>(place[1] + 0.5));
    }
  }
  return around;
}

void move_boxes(Boxes& boxes, const Motion& motion, const Sides& sides) {
  const auto width = static_cast<float>(sides[2]), height = static_cast<float>(sides[1]);
  std::vector<Box> kept;
  for (const Box& box : boxes.boxes) {
    Box around = moved(box, motion);
    const float x = (around.left + around.right) / 2.0F, y = (around.top + around.bottom) / 2.0F;
    if (x < 0.0F || y < 0.0F || x >= width || y >= height) continue;
    around.left = std::max(around.left, 0.0F);
    around.top = std::max(around.top, 0.0F);
    around.right = std::min(around.right, width);
    around.bottom = std::min(around.bottom, height);
    kept.push_back(around);
  }
  boxes.boxes = std::move(kept);
}

}  // namespace

void move_pixels(PreparedItem& item, const trainer::Augment& augment, RandomStream& stream) {
  if (!augment.moves()) return;
  const Motion motion(augment, item.image, stream);
  const PlaceOf from = [&](std::int64_t d, std::int64_t h, std::int64_t w) {
    return motion.source({static_cast<double>(d), static_cast<double>(h), static_cast<double>(w)});
  };
  const Sides sides = item.image.sides;
  item.image = resample(item.image, sides, from, {1.0, 1.0, 1.0});
  if (!item.atlas.values.empty()) item.atlas = resample(item.atlas, sides, from, {1.0, 1.0, 1.0});
  if (auto* mask = std::get_if<Mask>(&item.target)) *mask = resample(*mask, sides, from);
  if (auto* boxes = std::get_if<Boxes>(&item.target)) move_boxes(*boxes, motion, sides);
}

void change_values(Volume& image, const trainer::Augment& augment, RandomStream& stream) {
  if (augment.intensity <= 0.0 && augment.noise <= 0.0) return;
  double sum = 0.0, squares = 0.0;
  for (const float value : image.values) sum += static_cast<double>(value);
  const double mean = sum / static_cast<double>(image.values.size());
  for (const float value : image.values)
    squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(image.values.size()));
  const double contrast = factor(stream, augment.intensity);
  const double brightness = uniform(stream, augment.intensity) * deviation;
  const double noise = augment.noise * deviation;
  for (float& value : image.values) {
    double changed = (static_cast<double>(value) - mean) * contrast + mean + brightness;
    if (noise > 0.0) changed += noise * stream.next_normal();
    value = static_cast<float>(changed);
  }
}

}  // namespace consilium::data
