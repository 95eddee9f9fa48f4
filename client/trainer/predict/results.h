#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/prepare.h"
#include "client/trainer/predict/case_prediction.h"
#include "client/trainer/predict/output_folder.h"
#include "client/trainer/predict/preparation_choice.h"
#include "common/error/error.h"
#include "common/report/result_folder.h"

namespace consilium::predict {

/// An image to predict for.
struct Image {
  const data::Item* item = nullptr;
  data::DecodedImage header;  ///< without its pixels
  data::Volume pixels;        ///< as decoded
  std::int64_t planes = 1;    ///< number of examples that it gives
};

/// The information that all results share.
struct ResultContext {
  const report::ResultFolder* model = nullptr;
  const PreparationChoice* choice = nullptr;
  OutputFolder* output = nullptr;
  std::string software;  ///< that predicts; named in the files
  unsigned threads = 1;
  bool overlays = false;
};

/// Receives predictions, image after image, and writes files in the form that the task's users expect. Holds only one
/// image in memory.
class Results {
 public:
  virtual ~Results() = default;
  /// Receives the prediction for one plane of the current image; planes come in order.
  /// @param placement  of the prepared plane in the image's plane
  virtual Result<void> take(const Image& image, std::int64_t plane, const data::Placement& placement,
                            CasePrediction prediction) = 0;
  /// Called when all planes of the image were taken. Writes its files, and its line in the index.
  virtual Result<void> finish_image(const Image& image) = 0;
  /// Discards what was taken of the image, because the rest of it can't be predicted.
  virtual void drop_image() = 0;
  /// Writes what belongs to all images.
  /// @param rest  members of predictions.json after the images, as JSON text
  virtual Result<void> finish(const std::string& rest) = 0;
};

/// Creates the results of the model's task (docs/formats/predictions.md).
Result<std::unique_ptr<Results>> make_results(const ResultContext& context);

}  // namespace consilium::predict
