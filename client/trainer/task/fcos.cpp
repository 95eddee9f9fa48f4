#include "client/trainer/task/fcos.h"

#include <algorithm>
#include <limits>

#include "client/trainer/task/losses.h"
#include "common/task/detection.h"
#include "common/task/outputs.h"

namespace consilium::trainer {
namespace {

constexpr std::size_t kPerLevel = 3;
constexpr double kCentreRadius = 1.5;  // strides
constexpr double kLeastScore = 0.01;
constexpr std::int64_t kMostCandidates = 1000;  // for each level
constexpr double kEpsilon = 1e-7;               // torchvision's, in its GIoU loss

/// Returns one image's outputs of one kind over all levels, [points, channels].
at::Tensor over_levels(Outputs outputs, std::size_t kind, std::int64_t image) {
  std::vector<at::Tensor> levels;
  for (std::size_t i = kind; i < outputs.size(); i += kPerLevel) levels.push_back(outputs[i][image].flatten(1).t());
  return at::cat(levels);
}

/// Returns boxes around points, [k, 4] left, top, right, bottom.
at::Tensor around(const at::Tensor& places, const at::Tensor& distances) {
  return at::cat({places - distances.slice(1, 0, 2), places + distances.slice(1, 2, 4)}, 1);
}

at::Tensor area(const at::Tensor& corners) {
  return (corners.select(1, 2) - corners.select(1, 0)) * (corners.select(1, 3) - corners.select(1, 1));
}

/// Computes 1 - GIoU of pairs of boxes (Rezatofighi et al. 2019), summed.
at::Tensor giou_loss(const at::Tensor& predicted, const at::Tensor& truth) {
  const at::Tensor inner = (at::minimum(predicted.slice(1, 2, 4), truth.slice(1, 2, 4)) -
                            at::maximum(predicted.slice(1, 0, 2), truth.slice(1, 0, 2)))
                               .clamp_min(0.0);
  const at::Tensor both = inner.select(1, 0) * inner.select(1, 1);
  const at::Tensor either = area(predicted) + area(truth) - both;
  const at::Tensor outer = at::maximum(predicted.slice(1, 2, 4), truth.slice(1, 2, 4)) -
                           at::minimum(predicted.slice(1, 0, 2), truth.slice(1, 0, 2));
  const at::Tensor hull = outer.select(1, 0) * outer.select(1, 1);
  return (1.0 - both / (either + kEpsilon) + (hull - either) / (hull + kEpsilon)).sum();
}

/// Computes sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) of the distances from points to the sides of their
/// boxes.
at::Tensor centreness(const at::Tensor& places, const at::Tensor& corners) {
  const at::Tensor before = places - corners.slice(1, 0, 2);
  const at::Tensor after = corners.slice(1, 2, 4) - places;
  return (at::minimum(before, after) / at::maximum(before, after)).prod(1).sqrt();
}

}  // namespace

Points points_of(Outputs outputs) {
  Points points;
  std::vector<at::Tensor> places;
  std::vector<at::Tensor> strides;
  const auto options = outputs[0].options().dtype(at::kFloat).requires_grad(false);
  for (std::size_t level = 0; level * kPerLevel < outputs.size(); ++level) {
    const at::Tensor& logits = outputs[level * kPerLevel];
    const std::int64_t height = logits.size(2);
    const std::int64_t width = logits.size(3);
    const auto stride = static_cast<double>(task::level_stride(level));
    const at::Tensor y = at::arange(height, options).mul(stride).unsqueeze(1).expand({height, width}).flatten();
    const at::Tensor x = at::arange(width, options).mul(stride).unsqueeze(0).expand({height, width}).flatten();
    places.push_back(at::stack({x, y}, 1));
    strides.push_back(at::full({height * width}, stride, options));
    points.cells.push_back(height * width);
  }
  points.places = at::cat(places);
  points.strides = at::cat(strides);
  return points;
}

at::Tensor assign_targets(const Points& points, const at::Tensor& corners) {
  const std::int64_t count = points.places.size(0);
  const auto longs = corners.options().dtype(at::kLong);
  if (corners.size(0) == 0) return at::full({count}, -1, longs);
  const at::Tensor boxes = corners.unsqueeze(0);  // [1, k, 4]
  const at::Tensor places = points.places.unsqueeze(1);
  const at::Tensor strides = points.strides.unsqueeze(1);
  const at::Tensor centres = (boxes.slice(2, 0, 2) + boxes.slice(2, 2, 4)) / 2.0;
  at::Tensor match = (places - centres).abs().amax(2) < kCentreRadius * strides;
  const at::Tensor sides = at::cat({places - boxes.slice(2, 0, 2), boxes.slice(2, 2, 4) - places}, 2);
  match = match.logical_and(sides.amin(2) > 0.0);
  at::Tensor lower = points.strides * 4.0;
  lower.slice(0, 0, points.cells.front()).zero_();
  at::Tensor upper = points.strides * 8.0;
  upper.slice(0, count - points.cells.back()).fill_(std::numeric_limits<float>::infinity());
  const at::Tensor farthest = sides.amax(2);
  match = match.logical_and(farthest > lower.unsqueeze(1)).logical_and(farthest < upper.unsqueeze(1));
  const at::Tensor sizes = area(corners).unsqueeze(0).expand_as(match);
  const auto [least, index] = sizes.masked_fill(match.logical_not(), std::numeric_limits<float>::infinity()).min(1);
  return index.masked_fill(at::isinf(least), -1);
}

FcosSums fcos_loss(Outputs outputs, const Points& points, std::int64_t image, const Boxes& truth,
                   const task::LossSpec& spec) {
  const at::Tensor logits = over_levels(outputs, 0, image);
  const at::Tensor assigned = assign_targets(points, truth.corners);
  const at::Tensor found = (assigned >= 0).nonzero().squeeze(1);
  at::Tensor labels = at::zeros(logits.sizes(), logits.options().requires_grad(false));
  FcosSums sums;
  sums.foreground = found.size(0);
  if (sums.foreground == 0) {
    // The other outputs are added with weight 0, so that each of them has a gradient.
    sums.total = sigmoid_focal(logits, labels, spec).sum() + 0.0 * over_levels(outputs, 1, image).sum() +
                 0.0 * over_levels(outputs, 2, image).sum();
    return sums;
  }
  const at::Tensor boxes = assigned.index_select(0, found);
  labels.index_put_({found, truth.classes.index_select(0, boxes)}, at::ones({1}, labels.options()));
  const at::Tensor places = points.places.index_select(0, found);
  const at::Tensor corners = truth.corners.index_select(0, boxes);
  const at::Tensor distances = at::relu(over_levels(outputs, 1, image).index_select(0, found)) *
                               points.strides.index_select(0, found).unsqueeze(1);
  const at::Tensor centres = over_levels(outputs, 2, image).index_select(0, found).squeeze(1);
  sums.total = sigmoid_focal(logits, labels, spec).sum() + giou_loss(around(places, distances), corners) +
               at::binary_cross_entropy_with_logits(centres, centreness(places, corners), c10::nullopt, c10::nullopt,
                                                    at::Reduction::Sum);
  return sums;
}

std::vector<Detection> boxes_from(Outputs outputs, std::int64_t image, std::int64_t height, std::int64_t width) {
  std::vector<Detection> detections;
  const Points points = points_of(outputs);
  std::int64_t first = 0;
  for (std::size_t level = 0; level < points.cells.size(); ++level) {
    const Outputs own = outputs.subspan(level * kPerLevel, kPerLevel);
    const std::int64_t cells = points.cells[level];
    const at::Tensor p = at::sigmoid(over_levels(own, 0, image)) * at::sigmoid(over_levels(own, 2, image));
    const std::int64_t classes = p.size(1);
    const at::Tensor scores = p.sqrt().flatten();
    const auto [best, index] = scores.topk(std::min(kMostCandidates, scores.size(0)));
    const at::Tensor stride = points.strides.slice(0, first, first + cells).unsqueeze(1);
    const at::Tensor corners =
        around(points.places.slice(0, first, first + cells), at::relu(over_levels(own, 1, image)) * stride);
    const at::Tensor values = corners.contiguous();
    const float* sides = values.const_data_ptr<float>();
    const auto clip = [](float value, std::int64_t most) { return std::clamp(value, 0.0F, static_cast<float>(most)); };
    for (std::int64_t i = 0; i < best.size(0); ++i) {
      const float score = best.const_data_ptr<float>()[i];
      if (static_cast<double>(score) < kLeastScore) break;
      const std::int64_t at = index.const_data_ptr<std::int64_t>()[i];
      const float* side = sides + at / classes * 4;
      const Box box{clip(side[0], width), clip(side[1], height), clip(side[2], width), clip(side[3], height)};
      detections.push_back({box, score, at % classes});
    }
    first += cells;
  }
  return detections;
}

std::vector<Detection> detections_from(Outputs outputs, std::int64_t image, std::int64_t height, std::int64_t width) {
  constexpr double kMostOverlap = 0.6;
  return without_duplicates(boxes_from(outputs, image, height, width), kMostOverlap, task::kMaxDetections);
}

}  // namespace consilium::trainer
