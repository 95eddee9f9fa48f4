#pragma once

#include <memory>

#include "client/trainer/predict/results.h"
#include "common/error/error.h"

/// The kinds behind make_results().
namespace consilium::predict {

/// Classes or labels, with their probabilities: predictions.json and predictions.csv.
Result<std::unique_ptr<Results>> make_class_results(const ResultContext& context);
/// A mask for each image, in its own format and space, and the sizes of its segments.
Result<std::unique_ptr<Results>> make_mask_results(const ResultContext& context);
/// Boxes as COCO's tools read them: detections.json and images.json.
Result<std::unique_ptr<Results>> make_box_results(const ResultContext& context);

}  // namespace consilium::predict
