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

/// Checks that a number is within a range. NaN is outside of every range.
Result<void> check_number(std::string_view key, double value, double least, double most) {
  if (value >= least && value <= most) return {};
  return refuse(fmt::format("{}: expected a number from {} to {}, found {}", key, least, most, value));
}

/// Upper bound on the volume of a structure, in mm^3; a whole person's is smaller.
constexpr double kMostVolume = 1e9;

Result<void> check_anatomy(const LossSpec& loss, std::uint64_t classes) {
  CONSILIUM_TRY(check_number("training.loss.boundary_weight", loss.boundary_weight, 0.0, 100.0));
  CONSILIUM_TRY(check_number("training.loss.volume_weight", loss.volume_weight, 0.0, 100.0));
  if ((loss.volume_weight > 0.0) != !loss.volumes.empty())
    return refuse("training.loss.volumes: expected if volume_weight is above 0, and only then");
  for (const VolumeRange& range : loss.volumes) {
    const std::string key = fmt::format("training.loss.volumes.{}", range.of_class);
    if (range.of_class == 0 || range.of_class >= classes)
      return refuse(fmt::format("{}: expected a class from 1 to {}", key, classes - 1));
    CONSILIUM_TRY(check_number(key + "[0]", range.least, 0.0, kMostVolume));
    CONSILIUM_TRY(check_number(key + "[1]", range.most, 1e-6, kMostVolume));
    if (range.least > range.most)
      return refuse(fmt::format("{}: expected [least, most], found [{}, {}]", key, range.least, range.most));
  }
  return {};
}

Result<void> check_classes(std::string_view key, const std::vector<std::uint32_t>& found, std::uint64_t classes) {
  for (const std::uint32_t one : found) {
    if (one == 0 || one >= classes)
      return refuse(fmt::format("task.postprocess.{}: expected classes from 1 to {}, found {}", key, classes - 1, one));
  }
  return {};
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
  // A census counts the images that contain a class, which says little about its pixels or boxes.
  const bool counted = task == TaskKind::kClassification || task == TaskKind::kMultiLabel;
  const bool mapped = task == TaskKind::kSegmentation;
  switch (loss) {
    case LossKind::kCrossEntropy:
      return {.class_weights = true, .balanced = counted, .label_smoothing = true, .anatomy = mapped};
    case LossKind::kBinaryCrossEntropy:
      return {.class_weights = true, .balanced = counted};
    case LossKind::kFocal:
      if (task == TaskKind::kMultiLabel) return {.gamma = true, .alpha = true};
      return {.class_weights = true, .balanced = counted, .gamma = true, .anatomy = mapped};
    case LossKind::kDiceCrossEntropy:
      return {.class_weights = true, .label_smoothing = true, .dice_weight = true, .anatomy = true};
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
  if (task.postprocess.any() && task.kind != TaskKind::kSegmentation)
    return refuse(fmt::format("task.postprocess: only with segmentation, found {}", name_of(task.kind)));
  return {};
}

Result<void> check(const Postprocess& rules, std::uint64_t classes) {
  CONSILIUM_TRY(check_classes("largest_component", rules.largest_component, classes));
  return check_classes("fill_holes", rules.fill_holes, classes);
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
        fmt::format("training.loss.class_weights: a {} job with {} can't have balanced weights, because sites only "
                    "count the images that hold a class; expected numbers",
                    name_of(task.kind), name_of(loss.kind)));
  if (loss.balanced && !loss.class_weights.empty())
    return refuse("training.loss.class_weights: expected balanced, or numbers, found both");
  for (const double weight : loss.class_weights)
    CONSILIUM_TRY(check_number("training.loss.class_weights", weight, 0.0, 1e6));
  CONSILIUM_TRY(check_number("training.loss.label_smoothing", loss.label_smoothing, 0.0, 0.99));
  CONSILIUM_TRY(check_number("training.loss.gamma", loss.gamma, 0.0, 10.0));
  CONSILIUM_TRY(check_number("training.loss.alpha", loss.alpha, 0.0, 1.0));
  CONSILIUM_TRY(check_number("training.loss.dice_weight", loss.dice_weight, 0.0, 100.0));
  return check_anatomy(loss, classes);
}

}  // namespace consilium::task
