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

/// How images are prepared for the model, and the names of its classes.
struct PreparationChoice {
  data::Preparation preparation;
  data::Scale scale;                 ///< for `normalise: site`: of the site's own training images
  std::vector<std::string> classes;  ///< names, one for each of the model's classes
  bool series = false;               ///< the DICOM files of a series are one volume
  bool windows = false;              ///< larger images are covered by windows of the network's input size
  std::string in_words;              ///< describes where the preparation comes from
};

/// Chooses the preparation that `--data` or `--preprocess` describes, which is the one that training and evaluation at
/// a site use. If neither is given, images are resized to the model's input, and a model of images processes volumes
/// plane by plane.
/// Fails with kInvalidArgument if the description doesn't fit the model or can't be used for prediction.
/// @param decoder  reads the site's training images, if the preparation needs their mean and standard deviation
Result<PreparationChoice> choose_preparation(const trainer::PredictOptions& options, const job::JobSpec& job,
                                             const std::shared_ptr<data::ImageDecoder>& decoder);

}  // namespace consilium::predict
