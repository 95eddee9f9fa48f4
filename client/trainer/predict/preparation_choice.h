#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/prepare.h"
#include "client/trainer/predict/options.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::predict {

/// How images are prepared for the model, and what its classes are called.
struct PreparationChoice {
  data::Preparation preparation;
  data::Scale scale;                 ///< for `normalise: site`: the site's own training images
  std::vector<std::string> classes;  ///< names, as many as the model has classes
  bool series = false;               ///< the DICOM files of a series are one volume
  bool windows = false;              ///< larger images are covered by windows of the network's size
  std::string in_words;              ///< where the preparation comes from
};

/// Chooses what `--data` or `--preprocess` say, as training and evaluation at a site prepare its images; without
/// either, images are resized to the model's input, and a model of images takes volumes plane by plane.
/// @param decoder  reads the site's training images, where the preparation needs their mean and deviation
/// Fails with kInvalidArgument where the description doesn't fit the model or can't be used for prediction.
Result<PreparationChoice> choose_preparation(const trainer::PredictOptions& options, const job::JobSpec& job,
                                             const std::shared_ptr<data::ImageDecoder>& decoder);

}  // namespace consilium::predict
