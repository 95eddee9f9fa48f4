#include "common/task/segmentation.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "client/trainer/task/count_fields.h"
#include "client/trainer/task/learning_tasks.h"
#include "client/trainer/task/losses.h"
#include "client/trainer/task/postprocess.h"
#include "client/trainer/task/surface_distance.h"

namespace consilium::trainer {
namespace {

/// Fields: examples, loss; voxels in truth, prediction and both; and the Dice, IoU and 95 % Hausdorff distance of each
/// case.
class SegmentationCounter : public Counter {
 public:
  SegmentationCounter(const LearningTask& task, std::span<std::uint64_t> counts)
      : task_(task),
        classes_(static_cast<std::size_t>(task.task().classes())),
        fields_(task.task(), counts),
        examples_(fields_.of(task::kExamples)),
        overlap_(fields_.of(task::kOverlap)),
        cases_(fields_.of(task::kCases)),
        dice_(fields_.of(task::kDiceSums)),
        iou_(fields_.of(task::kIouSums)),
        distances_(fields_.of(task::kDistances)) {}

  Result<void> add(Outputs outputs, const Target& target) override {
    CONSILIUM_TRY(check_finite(outputs, examples_[0]));
    at::Tensor predicted = outputs[0].argmax(1).contiguous();
    const at::Tensor truth = target.values.contiguous();
    if (predicted.sizes() != truth.sizes() || truth.dim() < 3 || truth.dim() > 4)
      return fail(ErrorCode::kInvalidArgument, "evaluation: a mask has another shape than the model's output");
    const bool in_range =
        truth.numel() == 0 || (truth.min().item<std::int64_t>() >= 0 &&
                               truth.max().item<std::int64_t>() < static_cast<std::int64_t>(classes_));
    if (!in_range)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("evaluation: a mask holds classes beyond 0 to {}", classes_ - 1));
    for (std::int64_t i = 0; i < truth.size(0); ++i) {
      clean(predicted[i]);
      add_case(predicted[i], truth[i], target.spacing.defined() ? target.spacing[i] : at::Tensor());
    }
    loss_ += task_.losses(outputs, target).sum(at::kDouble).item<double>();
    return {};
  }

  Result<void> finish() override { return put_loss(loss_, fields_.of(task::kLoss)); }

 private:
  /// Post-processes a predicted map as the job specifies.
  void clean(at::Tensor predicted) const {
    const task::Postprocess& rules = task_.task().spec().postprocess;
    if (!rules.any()) return;
    const Grid grid = grid_of(predicted, {});
    postprocess(std::span(predicted.mutable_data_ptr<std::int64_t>(), static_cast<std::size_t>(grid.voxels())), grid,
                rules);
  }

  void add_case(const at::Tensor& predicted, const at::Tensor& truth, const at::Tensor& spacing) {
    const Grid grid = grid_of(truth, spacing);
    const auto voxels = static_cast<std::size_t>(grid.voxels());
    const std::span left(predicted.const_data_ptr<std::int64_t>(), voxels);
    const std::span right(truth.const_data_ptr<std::int64_t>(), voxels);
    std::vector<std::uint64_t> counted(classes_ * task::kOverlapCount, 0);
    for (std::size_t v = 0; v < voxels; ++v) {
      const auto p = static_cast<std::size_t>(left[v]);
      const auto t = static_cast<std::size_t>(right[v]);
      ++counted[p * task::kOverlapCount + task::kPredicted];
      ++counted[t * task::kOverlapCount + task::kTruth];
      if (p == t) ++counted[p * task::kOverlapCount + task::kIntersection];
    }
    ++examples_[0];
    for (std::size_t i = 0; i < counted.size(); ++i) overlap_[i] += counted[i];
    for (std::size_t c = 1; c < classes_; ++c) {
      const std::uint64_t both = counted[c * task::kOverlapCount + task::kIntersection];
      const std::uint64_t sides =
          counted[c * task::kOverlapCount + task::kPredicted] + counted[c * task::kOverlapCount + task::kTruth];
      if (sides == 0) continue;
      ++cases_[c - 1];
      dice_[c - 1] += in_units(2.0 * static_cast<double>(both) / static_cast<double>(sides));
      iou_[c - 1] += in_units(static_cast<double>(both) / static_cast<double>(sides - both));
      if (const auto distance = hausdorff_95(left, right, static_cast<std::int64_t>(c), grid))
        ++distances_[(c - 1) * task::kDistanceBins + task::distance_bin(*distance)];
    }
  }

  const LearningTask& task_;
  std::size_t classes_;
  CountFields fields_;
  std::span<std::uint64_t> examples_, overlap_, cases_, dice_, iou_, distances_;
  double loss_ = 0.0;
};

class Segmentation : public LearningTask {
 public:
  Segmentation(TaskPtr task, task::LossSpec loss) : LearningTask(std::move(task)), loss_(std::move(loss)) {}

  at::Tensor losses(Outputs outputs, const Target& target) const override {
    at::Tensor losses = base_losses(outputs, target);
    if (loss_.boundary_weight > 0.0)
      losses = losses + loss_.boundary_weight * boundary_losses(outputs[0], target.values, target.spacing);
    if (loss_.volume_weight > 0.0)
      losses = losses + loss_.volume_weight * volume_losses(outputs[0], target.values, target.spacing, loss_.volumes);
    return losses;
  }
  Result<std::vector<at::Tensor>> mean_of_models(std::span<const std::vector<at::Tensor>> outputs) const override {
    return mean_of_softmax(outputs);
  }
  std::unique_ptr<Counter> count_into(std::span<std::uint64_t> counts) const override {
    return std::make_unique<SegmentationCounter>(*this, counts);
  }

 private:
  [[nodiscard]] at::Tensor base_losses(Outputs outputs, const Target& target) const {
    switch (loss_.kind) {
      case task::LossKind::kFocal:
        return focal_losses(outputs[0], target.values, loss_);
      case task::LossKind::kCrossEntropy:
        return cross_entropy_losses(outputs[0], target.values, loss_);
      default:
        return dice_cross_entropy_losses(outputs[0], target.values, loss_);
    }
  }

  task::LossSpec loss_;
};

}  // namespace

LearningTaskPtr make_segmentation(TaskPtr task, const task::LossSpec& loss) {
  return std::make_unique<Segmentation>(std::move(task), loss);
}

}  // namespace consilium::trainer
