#include "client/trainer/data/resample.h"

#include <algorithm>
#include <cmath>

namespace consilium::data {
namespace {

/// The two neighbours of a point along one axis, and the second one's weight.
struct Neighbours {
  std::size_t first = 0;
  std::size_t second = 0;
  float weight = 0.0F;
};

Neighbours neighbours_of(double place, std::int64_t side) {
  const double inside = std::clamp(place, 0.0, static_cast<double>(side - 1));
  const auto first = static_cast<std::int64_t>(inside);
  return {static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(first + 1, side - 1)),
          static_cast<float>(inside - static_cast<double>(first))};
}

float linear(const float* plane, const Sides& sides, const Place& place) {
  const Neighbours d = neighbours_of(place[0], sides[0]), h = neighbours_of(place[1], sides[1]),
                   w = neighbours_of(place[2], sides[2]);
  const auto height = static_cast<std::size_t>(sides[1]), width = static_cast<std::size_t>(sides[2]);
  const auto row = [&](std::size_t depth, std::size_t line) {
    const float* values = plane + (depth * height + line) * width;
    return values[w.first] + (values[w.second] - values[w.first]) * w.weight;
  };
  const auto layer = [&](std::size_t depth) {
    const float upper = row(depth, h.first);
    return upper + (row(depth, h.second) - upper) * h.weight;
  };
  const float front = layer(d.first);
  return d.weight == 0.0F ? front : front + (layer(d.second) - front) * d.weight;
}

std::int64_t nearest(double place, std::int64_t side) {
  return static_cast<std::int64_t>(std::clamp(std::floor(place + 0.5), 0.0, static_cast<double>(side - 1)));
}

/// Averages over a centred window of `width` values along an axis, so that a coarser grid doesn't skip what lies
/// between its points.
void smooth(std::vector<float>& values, std::size_t channels, const Sides& sides, std::size_t axis, double width) {
  const auto radius = static_cast<std::int64_t>(std::floor(width / 2.0));
  if (radius < 1) return;
  const float edge = static_cast<float>((width - static_cast<double>(2 * radius - 1)) / 2.0);
  const auto side = sides[axis];
  const std::size_t stride = axis == 2   ? 1
                             : axis == 1 ? static_cast<std::size_t>(sides[2])
                                         : static_cast<std::size_t>(sides[1] * sides[2]);
  const std::size_t lines = values.size() / channels / static_cast<std::size_t>(side) * channels;
  std::vector<float> line(static_cast<std::size_t>(side));
  for (std::size_t at = 0; at < lines; ++at) {
    float* const start = values.data() + at / stride * stride * static_cast<std::size_t>(side) + at % stride;
    for (std::int64_t i = 0; i < side; ++i)
      line[static_cast<std::size_t>(i)] = start[static_cast<std::size_t>(i) * stride];
    for (std::int64_t i = 0; i < side; ++i) {
      float sum = 0.0F;
      for (std::int64_t k = -radius; k <= radius; ++k) {
        const float weight = k == -radius || k == radius ? edge : 1.0F;
        sum += weight * line[static_cast<std::size_t>(std::clamp<std::int64_t>(i + k, 0, side - 1))];
      }
      start[static_cast<std::size_t>(i) * stride] = sum / static_cast<float>(width);
    }
  }
}

/// Returns the map from a stretched voxel to the source.
PlaceOf stretch(const Sides& from, const Sides& to) {
  std::array<double, 3> factor{};
  for (std::size_t axis = 0; axis < 3; ++axis)
    factor[axis] = static_cast<double>(from[axis]) / static_cast<double>(to[axis]);
  return [factor](std::int64_t d, std::int64_t h, std::int64_t w) {
    return Place{(static_cast<double>(d) + 0.5) * factor[0] - 0.5, (static_cast<double>(h) + 0.5) * factor[1] - 0.5,
                 (static_cast<double>(w) + 0.5) * factor[2] - 0.5};
  };
}

}  // namespace

Volume resample(const Volume& volume, const Sides& sides, const PlaceOf& from, const std::array<double, 3>& reduce) {
  Volume result;
  result.channels = volume.channels;
  result.sides = sides;
  result.spacing = volume.spacing;
  result.flat = volume.flat;
  result.bytes = volume.bytes;
  const auto channels = static_cast<std::size_t>(volume.channels);
  std::vector<float> smoothed;
  const std::vector<float>* source = &volume.values;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (reduce[axis] < 2.0) continue;
    if (smoothed.empty()) smoothed = volume.values;
    smooth(smoothed, channels, volume.sides, axis, reduce[axis]);
    source = &smoothed;
  }
  const std::size_t plane = result.plane();
  result.values.resize(channels * plane);
  std::size_t at = 0;
  for (std::int64_t d = 0; d < sides[0]; ++d) {
    for (std::int64_t h = 0; h < sides[1]; ++h) {
      for (std::int64_t w = 0; w < sides[2]; ++w, ++at) {
        const Place place = from(d, h, w);
        for (std::size_t c = 0; c < channels; ++c) {
          const float value = linear(source->data() + c * volume.plane(), volume.sides, place);
          result.values[c * plane + at] = volume.bytes ? std::round(value) : value;
        }
      }
    }
  }
  return result;
}

Mask resample(const Mask& mask, const Sides& sides, const PlaceOf& from) {
  Mask result;
  const Sides before = sides_of(mask);
  result.shape = mask.shape.size() == 2 ? std::vector{sides[1], sides[2]} : std::vector{sides[0], sides[1], sides[2]};
  result.classes.reserve(static_cast<std::size_t>(sides[0] * sides[1] * sides[2]));
  for (std::int64_t d = 0; d < sides[0]; ++d) {
    for (std::int64_t h = 0; h < sides[1]; ++h) {
      for (std::int64_t w = 0; w < sides[2]; ++w) {
        const Place place = from(d, h, w);
        const std::int64_t index =
            (nearest(place[0], before[0]) * before[1] + nearest(place[1], before[1])) * before[2] +
            nearest(place[2], before[2]);
        result.classes.push_back(mask.classes[static_cast<std::size_t>(index)]);
      }
    }
  }
  return result;
}

Volume resize(const Volume& volume, const Sides& sides) {
  if (volume.sides == sides) return volume;
  std::array<double, 3> reduce{};
  for (std::size_t axis = 0; axis < 3; ++axis)
    reduce[axis] = static_cast<double>(volume.sides[axis]) / static_cast<double>(sides[axis]);
  Volume result = resample(volume, sides, stretch(volume.sides, sides), reduce);
  for (std::size_t axis = 0; axis < 3; ++axis) result.spacing[axis] = volume.spacing[axis] * reduce[axis];
  return result;
}

Mask resize(const Mask& mask, const Sides& sides) {
  return sides_of(mask) == sides ? mask : resample(mask, sides, stretch(sides_of(mask), sides));
}

void resize(Boxes& boxes, const Sides& before, const Sides& after) {
  const auto height = static_cast<float>(after[1]) / static_cast<float>(before[1]);
  const auto width = static_cast<float>(after[2]) / static_cast<float>(before[2]);
  for (Box& box : boxes.boxes) {
    box.left *= width;
    box.right *= width;
    box.top *= height;
    box.bottom *= height;
  }
}

}  // namespace consilium::data
