#include "client/trainer/training/sliding_window.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace consilium::trainer {
namespace {

using Place = std::vector<std::int64_t>;

/// The number of positions of all windows in one pass: more wouldn't be faster, and would take more memory.
constexpr std::int64_t kPlacesAtOnce = std::int64_t{1} << 18;

/// Returns the part of an image, scores or weights that a window covers; its sides are the last dimensions.
at::Tensor under_window(at::Tensor whole, const Place& low, std::span<const std::int64_t> sides) {
  const std::int64_t first = whole.dim() - static_cast<std::int64_t>(sides.size());
  for (std::size_t d = 0; d < sides.size(); ++d)
    whole = whole.narrow(first + static_cast<std::int64_t>(d), low[d], sides[d]);
  return whole;
}

/// Returns the positions of all windows of an image, row after row.
std::vector<Place> windows_of(at::IntArrayRef image, std::span<const std::int64_t> sides) {
  std::vector<Place> windows{{}};
  for (std::size_t d = 0; d < sides.size(); ++d) {
    std::vector<Place> longer;
    for (const Place& begun : windows) {
      for (const std::int64_t place : window_places(image[d], sides[d])) {
        longer.push_back(begun);
        longer.back().push_back(place);
      }
    }
    windows = std::move(longer);
  }
  return windows;
}

}  // namespace

std::vector<std::int64_t> window_places(std::int64_t side, std::int64_t window) {
  const std::int64_t room = side - window;
  if (room <= 0) return {0};
  const std::int64_t apart = std::max<std::int64_t>(window / 2, 1);
  const std::int64_t steps = (room + apart - 1) / apart;
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i <= steps; ++i) places.push_back(room * i / steps);
  return places;
}

at::Tensor window_importance(std::span<const std::int64_t> sides) {
  at::Tensor importance = at::ones({}, at::kDouble);
  for (const std::int64_t side : sides) {
    const double middle = static_cast<double>(side - 1) / 2.0, deviation = static_cast<double>(side) / 8.0;
    at::Tensor line = at::empty({side}, at::kDouble);
    double* to = line.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < side; ++i) {
      const double away = (static_cast<double>(i) - middle) / deviation;
      *to++ = std::exp(-0.5 * away * away);
    }
    importance = importance.unsqueeze(-1) * line;
  }
  return importance.to(at::kFloat);
}

Result<at::Tensor> scores_by_windows(const Network& network, const at::Tensor& image, std::int64_t most,
                                     const std::function<bool()>& cancelled) {
  const std::vector<std::int64_t>& input = network.spec().input;
  const std::vector<model::Shape>& outputs = network.output_shapes();
  const bool one_map = outputs.size() == 1 && input.size() > 1 && outputs[0].size() == input.size() &&
                       std::equal(input.begin() + 1, input.end(), outputs[0].begin() + 1);
  if (!one_map)
    return fail(ErrorCode::kInvalidArgument,
                "evaluation by windows: the model doesn't give one map of class scores as large as its input");
  const std::span<const std::int64_t> sides(input.data() + 1, input.size() - 1);
  std::vector<std::int64_t> shape = image.sizes().vec();
  shape[1] = outputs[0][0];
  const at::Tensor scores = at::zeros(shape, at::kFloat);
  const at::Tensor weights = at::zeros(image.sizes().slice(2), at::kFloat);
  const at::Tensor importance = window_importance(sides);
  const std::vector<Place> windows = windows_of(image.sizes().slice(2), sides);
  const auto at_once = static_cast<std::size_t>(
      std::clamp<std::int64_t>(kPlacesAtOnce / importance.numel(), 1, std::max<std::int64_t>(most, 1)));
  for (std::size_t first = 0; first < windows.size(); first += at_once) {
    if (cancelled()) return fail(ErrorCode::kCancelled, "evaluation: cancelled");
    const std::size_t count = std::min(at_once, windows.size() - first);
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < count; ++i) parts.push_back(under_window(image, windows[first + i], sides));
    const at::Tensor found = network.forward(at::cat(parts), Pass{})[0].cpu();
    for (std::size_t i = 0; i < count; ++i) {
      const Place& low = windows[first + i];
      const at::Tensor weight = under_window(weights, low, sides).add_(importance);
      at::Tensor mean = under_window(scores, low, sides)[0];
      mean.add_(found[static_cast<std::int64_t>(i)].sub(mean).mul_(importance / weight));
    }
  }
  return scores;
}

at::Tensor without_padding(at::Tensor scores, at::IntArrayRef sides) {
  for (std::size_t d = 0; d < sides.size(); ++d) {
    const auto axis = static_cast<std::int64_t>(d) + 2;
    scores = scores.narrow(axis, (scores.size(axis) - sides[d]) / 2, sides[d]);
  }
  return scores.contiguous();
}

}  // namespace consilium::trainer
