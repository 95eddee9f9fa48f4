#include "client/trainer/task/losses.h"

#include <cstdint>
#include <vector>

namespace consilium::trainer {
namespace {

constexpr double kDiceSmoothing = 1e-5;  // MONAI's; a class that is in neither truth nor prediction costs nothing
constexpr double kLeastDistance = 1e-12;

/// Returns the class weights as a tensor with the device and type of `like`; undefined if the spec
/// has none, so that all are 1.
at::Tensor weights_of(const task::LossSpec& spec, const at::Tensor& like) {
  if (spec.class_weights.empty()) return {};
  return at::tensor(spec.class_weights, at::TensorOptions().dtype(at::kDouble)).to(like.options());
}

/// Returns the mean over all dimensions except the first.
at::Tensor by_example(const at::Tensor& terms) { return terms.dim() == 1 ? terms : terms.flatten(1).mean(1); }

}  // namespace

at::Tensor cross_entropy_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec) {
  const at::Tensor weights = weights_of(spec, logits);
  return by_example(at::cross_entropy_loss(logits, classes,
                                           weights.defined() ? c10::make_optional(weights) : c10::nullopt,
                                           at::Reduction::None, -100, spec.label_smoothing));
}

at::Tensor focal_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec) {
  const at::Tensor truth = at::log_softmax(logits, 1).gather(1, classes.unsqueeze(1)).squeeze(1);
  const at::Tensor distance = at::expm1(truth).neg().clamp_min(kLeastDistance);  // 1 - p
  at::Tensor terms = distance.pow(spec.gamma) * truth.neg();
  if (const at::Tensor weights = weights_of(spec, logits); weights.defined())
    terms = terms * weights.index_select(0, classes.flatten()).view_as(classes);
  return by_example(terms);
}

at::Tensor binary_cross_entropy_losses(const at::Tensor& logits, const at::Tensor& labels, const task::LossSpec& spec) {
  const at::Tensor weights = weights_of(spec, logits);
  return by_example(at::binary_cross_entropy_with_logits(logits, labels.to(logits.options()), c10::nullopt,
                                                         weights.defined() ? c10::make_optional(weights) : c10::nullopt,
                                                         at::Reduction::None));
}

at::Tensor sigmoid_focal(const at::Tensor& logits, const at::Tensor& labels, const task::LossSpec& spec) {
  const at::Tensor truth = labels.to(logits.options());
  const at::Tensor entropy =
      at::binary_cross_entropy_with_logits(logits, truth, c10::nullopt, c10::nullopt, at::Reduction::None);
  const at::Tensor p = at::sigmoid(logits);
  const at::Tensor distance = (p + truth - 2.0 * p * truth).clamp_min(kLeastDistance);  // 1 - p of the true answer
  const at::Tensor balance = spec.alpha * truth + (1.0 - spec.alpha) * (1.0 - truth);
  return balance * distance.pow(spec.gamma) * entropy;
}

at::Tensor dice_cross_entropy_losses(const at::Tensor& logits, const at::Tensor& classes, const task::LossSpec& spec) {
  const std::int64_t count = logits.size(1);
  const at::Tensor p = at::softmax(logits, 1).flatten(2);  // [n, classes, voxels]
  const at::Tensor truth = at::one_hot(classes.flatten(1), count).permute({0, 2, 1}).to(logits.options());
  const at::Tensor both = (p * truth).sum(2);
  const at::Tensor sides = p.sum(2) + truth.sum(2);
  const at::Tensor dice = (2.0 * both + kDiceSmoothing) / (sides + kDiceSmoothing);
  const at::Tensor lost = 1.0 - dice.slice(1, 1).mean(1);
  return spec.dice_weight * lost + cross_entropy_losses(logits, classes, spec);
}

Grid grid_of(const at::Tensor& map, const at::Tensor& spacing) {
  Grid grid;
  const auto dimensions = static_cast<std::size_t>(map.dim());
  for (std::size_t d = 0; d < dimensions; ++d) {
    grid.size[3 - dimensions + d] = map.size(static_cast<std::int64_t>(d));
    if (spacing.defined()) grid.spacing[3 - dimensions + d] = spacing[static_cast<std::int64_t>(d)].item<double>();
  }
  return grid;
}

at::Tensor boundary_losses(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& spacing) {
  const at::Tensor truth = classes.cpu().contiguous();
  std::vector<std::int64_t> shape = logits.sizes().vec();
  --shape[1];
  const at::Tensor distances = at::empty(shape, at::kFloat);
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    const Grid grid = grid_of(truth[i], spacing.defined() ? spacing[i] : at::Tensor());
    const auto voxels = static_cast<std::size_t>(grid.voxels());
    const std::span map(truth[i].const_data_ptr<std::int64_t>(), voxels);
    for (std::int64_t c = 0; c < shape[1]; ++c)
      signed_distances(map, c + 1, grid, {distances[i][c].mutable_data_ptr<float>(), voxels});
  }
  return (at::softmax(logits, 1).slice(1, 1) * distances.to(logits.options())).flatten(1).mean(1);
}

at::Tensor volume_losses(const at::Tensor& logits, const at::Tensor& classes, const at::Tensor& spacing,
                         const std::vector<task::VolumeRange>& ranges) {
  const at::Tensor p = at::softmax(logits, 1).flatten(2).sum(2);  // [n, classes]
  const at::Tensor truth = classes.flatten(1);
  const at::Tensor voxel = spacing.defined() ? spacing.prod(1).to(logits.options()) : at::ones({1}, logits.options());
  at::Tensor lost = at::zeros({logits.size(0)}, logits.options());
  for (const task::VolumeRange& range : ranges) {
    const auto of_class = static_cast<std::int64_t>(range.of_class);
    const at::Tensor volume = p.select(1, of_class) * voxel;
    const at::Tensor outside = (volume - range.most).clamp_min(0.0) + (range.least - volume).clamp_min(0.0);
    const at::Tensor present = truth.eq(of_class).any(1).to(logits.options());
    lost = lost + present * (outside / range.most).square();
  }
  return lost / static_cast<double>(ranges.size());
}

}  // namespace consilium::trainer
