#include "common/task/task_spec.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace consilium::task {
namespace {

constexpr std::array kClassificationLosses{LossKind::kCrossEntropy, LossKind::kFocal};
constexpr std::array kMultiLabelLosses{LossKind::kBinaryCrossEntropy, LossKind::kFocal};
constexpr std::array kSegmentationLosses{LossKind::kDiceCrossEntropy, LossKind::kCrossEntropy, LossKind::kFocal};
constexpr std::array kDetectionLosses{LossKind::kFcos};

/// NaN is outside of every range.
Result<void> check_number(std::string_view key, double value, double least, double most) {
  if (value >= least && value <= most) return {};
  return refuse(fmt::format("{}: expected a number from {} to {}, found {}", key, least, most, value));
}

}  // namespace

std::string_view name_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::kClassification:
      return "classification";
    case TaskKind::kMultiLabel:
      return "multi_label";
    case TaskKind::kSegmentation:
      return "segmentation";
    case TaskKind::kDetection:
      return "detection";
  }
  return "unknown";
}

std::string_view name_of(LossKind kind) {
  switch (kind) {
    case LossKind::kCrossEntropy:
      return "cross_entropy";
    case LossKind::kBinaryCrossEntropy:
      return "binary_cross_entropy";
    case LossKind::kFocal:
      return "focal";
    case LossKind::kDiceCrossEntropy:
      return "dice_cross_entropy";
    case LossKind::kFcos:
      return "fcos";
  }
  return "unknown";
}

TaskSpec default_task(TaskKind kind) {
  TaskSpec task;
  task.kind = kind;
  if (kind == TaskKind::kMultiLabel) task.calibration_bins = kCalibrationBins;
  return task;
}

std::span<const LossKind> losses_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::kClassification:
      return kClassificationLosses;
    case TaskKind::kMultiLabel:
      return kMultiLabelLosses;
    case TaskKind::kSegmentation:
      return kSegmentationLosses;
    case TaskKind::kDetection:
      return kDetectionLosses;
  }
  return {};
}

LossSpec default_loss(TaskKind kind) {
  LossSpec loss;
  const auto known = losses_of(kind);
  if (!known.empty()) loss.kind = known.front();
  return loss;
}

LossKeys keys_of(LossKind loss, TaskKind task) {
  // A census counts the images that hold a class, which says little of its pixels or boxes.
  const bool counted = task == TaskKind::kClassification || task == TaskKind::kMultiLabel;
  switch (loss) {
    case LossKind::kCrossEntropy:
      return {.class_weights = true, .balanced = counted, .label_smoothing = true};
    case LossKind::kBinaryCrossEntropy:
      return {.class_weights = true, .balanced = counted};
    case LossKind::kFocal:
      if (task == TaskKind::kMultiLabel) return {.gamma = true, .alpha = true};
      return {.class_weights = true, .balanced = counted, .gamma = true};
    case LossKind::kDiceCrossEntropy:
      return {.class_weights = true, .label_smoothing = true, .dice_weight = true};
    case LossKind::kFcos:
      return {.gamma = true, .alpha = true};
  }
  return {};
}

Result<void> check(const TaskSpec& task) {
  if (losses_of(task.kind).empty()) return refuse("task.name: unknown kind of task");
  CONSILIUM_TRY(check_number("task.threshold", task.threshold, 0.001, 0.999));
  if (task.calibration_bins > kMaxCalibrationBins)
    return refuse(
        fmt::format("task.calibration_bins: expected 0 to {}, found {}", kMaxCalibrationBins, task.calibration_bins));
  const bool calibrates = task.kind == TaskKind::kClassification || task.kind == TaskKind::kMultiLabel;
  if (task.calibration_bins != 0 && !calibrates)
    return refuse(
        fmt::format("task.calibration_bins: only with classification and multi_label, found {}", name_of(task.kind)));
  return {};
}

Result<void> check(const LossSpec& loss, const TaskSpec& task, std::uint64_t classes) {
  const auto known = losses_of(task.kind);
  if (std::ranges::find(known, loss.kind) == known.end()) {
    std::string names;
    for (const LossKind kind : known) names += (names.empty() ? "" : ", ") + std::string(name_of(kind));
    return refuse(fmt::format("training.loss.name: a {} job can have {}, found {}", name_of(task.kind), names,
                              name_of(loss.kind)));
  }
  if (!loss.class_weights.empty() && loss.class_weights.size() != classes)
    return refuse(fmt::format("training.loss.class_weights: expected one number for each of the {} classes, found {}",
                              classes, loss.class_weights.size()));
  if (loss.balanced && !keys_of(loss.kind, task.kind).balanced)
    return refuse(
        fmt::format("training.loss.class_weights: a {} job with {} can't have balanced weights: what is counted "
                    "are images that hold a class; expected numbers",
                    name_of(task.kind), name_of(loss.kind)));
  if (loss.balanced && !loss.class_weights.empty())
    return refuse("training.loss.class_weights: expected balanced, or numbers, found both");
  for (const double weight : loss.class_weights)
    CONSILIUM_TRY(check_number("training.loss.class_weights", weight, 0.0, 1e6));
  CONSILIUM_TRY(check_number("training.loss.label_smoothing", loss.label_smoothing, 0.0, 0.99));
  CONSILIUM_TRY(check_number("training.loss.gamma", loss.gamma, 0.0, 10.0));
  CONSILIUM_TRY(check_number("training.loss.alpha", loss.alpha, 0.0, 1.0));
  return check_number("training.loss.dice_weight", loss.dice_weight, 0.0, 100.0);
}

}  // namespace consilium::task
