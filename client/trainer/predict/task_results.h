#pragma once

#include <memory>

#include "client/trainer/predict/results.h"
#include "common/error/error.h"

/// The kinds of results that make_results() chooses from.
namespace consilium::predict {

/// Creates results with classes or labels and their probabilities: predictions.json and predictions.csv.
Result<std::unique_ptr<Results>> make_class_results(const ResultContext& context);
/// Creates results with a mask for each image, in the image's own format and space, and the sizes of its segments.
Result<std::unique_ptr<Results>> make_mask_results(const ResultContext& context);
/// Creates results with boxes in the form that COCO's tools read: detections.json and images.json.
Result<std::unique_ptr<Results>> make_box_results(const ResultContext& context);

}  // namespace consilium::predict
