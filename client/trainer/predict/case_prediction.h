#pragma once

#include <span>
#include <vector>

#include "client/trainer/data/volume.h"
#include "client/trainer/task/detections.h"

namespace consilium::predict {

/// What a model says of one prepared image; which part is filled follows from its task.
struct CasePrediction {
  std::vector<double> probabilities{};           ///< classification: of each class; multi-label: of each label
  data::Volume scores{};                         ///< segmentation: logits, a channel for each class
  std::vector<trainer::Detection> detections{};  ///< detection: in pixels of the prepared image, the best first
};

/// Turns the outputs for one image into probabilities: of classes of which one is right, or of labels, each by itself.
[[nodiscard]] std::vector<double> softmax(std::span<const float> logits);
[[nodiscard]] std::vector<double> sigmoid(std::span<const float> logits);

}  // namespace consilium::predict
