#include "common/task/metric_names.h"

#include "common/task/metrics.h"

namespace consilium::task {
namespace {

constexpr std::string_view kCalibrationError = "calibration_error";

std::vector<std::string_view> names_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::kClassification:
      return {kLossMetric, "accuracy", "auc", "balanced_accuracy", "f1", "sensitivity", "specificity"};
    case TaskKind::kMultiLabel:
      return {kLossMetric, "auc", "f1", "accuracy", "balanced_accuracy", "sensitivity", "specificity", "exact_match"};
    case TaskKind::kSegmentation:
      return {kLossMetric, "dice", "iou", "hd95", "dice_pooled", "iou_pooled", "missed"};
    case TaskKind::kDetection:
      return {kLossMetric, "map", "map_50", "map_75", "average_recall"};
  }
  return {};
}

}  // namespace

std::vector<std::string_view> metric_names(const TaskSpec& spec) {
  std::vector<std::string_view> names = names_of(spec.kind);
  if (spec.calibration_bins > 0) names.push_back(kCalibrationError);
  return names;
}

}  // namespace consilium::task
