#include "client/trainer/predict/restore.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "client/trainer/data/parallel.h"

namespace consilium::predict {
namespace {

/// The position of a pixel's centre between the pixels of the prepared image, along one axis.
struct Between {
  bool inside = false;
  std::size_t first = 0;
  std::size_t second = 0;
  float weight = 0.0F;  ///< of the second pixel
};

/// The largest difference from a whole number that counts as rounding error of a Placement's numbers.
constexpr double kWhole = 1e-6;

std::vector<Between> places_along(std::int64_t side, std::int64_t prepared, double scale, double offset) {
  std::vector<Between> places(static_cast<std::size_t>(side));
  for (std::int64_t i = 0; i < side; ++i) {
    double place = (static_cast<double>(i) + 0.5 - offset) / scale - 0.5;
    if (std::abs(place - std::round(place)) < kWhole) place = std::round(place);
    Between& between = places[static_cast<std::size_t>(i)];
    between.inside = place >= -0.5 && place <= static_cast<double>(prepared) - 0.5;
    if (!between.inside) continue;
    place = std::clamp(place, 0.0, static_cast<double>(prepared - 1));
    const auto first = static_cast<std::int64_t>(place);
    between.first = static_cast<std::size_t>(first);
    between.second = static_cast<std::size_t>(std::min(first + 1, prepared - 1));
    between.weight = static_cast<float>(place - static_cast<double>(first));
  }
  return places;
}

/// Converts the logits of each pixel to probabilities.
void turn_into_probabilities(data::Volume& scores) {
  const std::size_t plane = scores.plane();
  const auto classes = static_cast<std::size_t>(scores.channels);
  for (std::size_t i = 0; i < plane; ++i) {
    float most = scores.values[i];
    for (std::size_t c = 1; c < classes; ++c) most = std::max(most, scores.values[c * plane + i]);
    float sum = 0.0F;
    for (std::size_t c = 0; c < classes; ++c) {
      float& value = scores.values[c * plane + i];
      value = std::exp(value - most);
      sum += value;
    }
    for (std::size_t c = 0; c < classes; ++c) scores.values[c * plane + i] /= sum;
  }
}

class Restorer {
 public:
  Restorer(const data::Volume& scores, const data::Placement& placement, const data::Sides& sides) : scores_(scores) {
    for (std::size_t axis = 0; axis < 3; ++axis)
      places_[axis] = places_along(sides[axis], scores.sides[axis], placement.scale[axis], placement.offset[axis]);
  }

  /// Returns true if no pixel's centre is between two pixels of the prepared image.
  [[nodiscard]] bool is_exact() const {
    return std::ranges::all_of(places_, [](const std::vector<Between>& along) {
      return std::ranges::all_of(along, [](const Between& one) { return !one.inside || one.weight == 0.0F; });
    });
  }

  /// Fills the classes of one plane along D.
  void fill(std::size_t depth, std::uint8_t* to) const {
    const Between& d = places_[0][depth];
    for (const Between& h : places_[1]) {
      for (const Between& w : places_[2])
        *to++ = d.inside && h.inside && w.inside ? class_at(d, h, w) : std::uint8_t{0};
    }
  }

 private:
  [[nodiscard]] std::uint8_t class_at(const Between& d, const Between& h, const Between& w) const {
    std::uint8_t best = 0;
    float most = 0.0F;
    for (std::size_t c = 0; c < static_cast<std::size_t>(scores_.channels); ++c) {
      const float value = value_at(scores_.values.data() + c * scores_.plane(), d, h, w);
      if (c != 0 && !(value > most)) continue;
      most = value;
      best = static_cast<std::uint8_t>(c);
    }
    return best;
  }

  [[nodiscard]] float value_at(const float* channel, const Between& d, const Between& h, const Between& w) const {
    const auto height = static_cast<std::size_t>(scores_.sides[1]), width = static_cast<std::size_t>(scores_.sides[2]);
    const auto row = [&](std::size_t depth, std::size_t line) {
      const float* values = channel + (depth * height + line) * width;
      return w.weight == 0.0F ? values[w.first] : values[w.first] + (values[w.second] - values[w.first]) * w.weight;
    };
    const auto layer = [&](std::size_t depth) {
      const float upper = row(depth, h.first);
      return h.weight == 0.0F ? upper : upper + (row(depth, h.second) - upper) * h.weight;
    };
    const float front = layer(d.first);
    return d.weight == 0.0F ? front : front + (layer(d.second) - front) * d.weight;
  }

  const data::Volume& scores_;
  std::array<std::vector<Between>, 3> places_;
};

}  // namespace

std::vector<std::uint8_t> restore_classes(data::Volume& scores, const data::Placement& placement,
                                          const data::Sides& sides, unsigned threads) {
  const Restorer restorer(scores, placement, sides);
  if (!restorer.is_exact()) turn_into_probabilities(scores);
  const auto plane = static_cast<std::size_t>(sides[1]) * static_cast<std::size_t>(sides[2]);
  std::vector<std::uint8_t> classes(static_cast<std::size_t>(sides[0]) * plane);
  data::for_each_index(static_cast<std::size_t>(sides[0]), threads,
                       [&](std::size_t depth) { restorer.fill(depth, classes.data() + depth * plane); });
  return classes;
}

std::vector<trainer::Detection> restore_boxes(std::vector<trainer::Detection> detections,
                                              const data::Placement& placement, const data::Sides& sides) {
  const auto moved = [&](float edge, std::size_t axis) {
    const double place = placement.scale[axis] * static_cast<double>(edge) + placement.offset[axis];
    return static_cast<float>(std::clamp(place, 0.0, static_cast<double>(sides[axis])));
  };
  for (trainer::Detection& one : detections)
    one.box = {moved(one.box.left, 2), moved(one.box.top, 1), moved(one.box.right, 2), moved(one.box.bottom, 1)};
  std::erase_if(detections, [](const trainer::Detection& one) {
    return !(one.box.right > one.box.left) || !(one.box.bottom > one.box.top);
  });
  return detections;
}

}  // namespace consilium::predict
