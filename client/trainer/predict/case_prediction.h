#pragma once

#include <span>
#include <vector>

#include "client/trainer/data/volume.h"
#include "client/trainer/task/detections.h"

namespace consilium::predict {

/// A model's prediction for one prepared image; the task determines which member is filled.
struct CasePrediction {
  std::vector<double> probabilities{};  ///< classification: one for each class; multi-label: one for each label
  data::Volume scores{};                ///< segmentation: logits, a channel for each class
  std::vector<trainer::Detection> detections{};  ///< detection: in pixels of the prepared image, best first
};

/// Converts the outputs for one image to probabilities: of classes, exactly one of which is right, or of independent
/// labels.
[[nodiscard]] std::vector<double> softmax(std::span<const float> logits);
[[nodiscard]] std::vector<double> sigmoid(std::span<const float> logits);

}  // namespace consilium::predict
