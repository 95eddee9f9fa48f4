#pragma once

#include <memory>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/predict/options.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Runs `predict`: uses a federation's model on the images of one site, without a federation, and writes the
/// predictions into a folder (docs/formats/predictions.md). Images are processed one by one, or several at a time if
/// they are small. If a file can't be read or predicted, predictions.json names it with the reason, and the other files
/// are still processed.
/// Fails if the model, the preparation, the input or the output folder can't be used, and with kCancelled after SIGINT.
/// @param decoder  decodes image files; null if it can't be run
/// @return true if every image was predicted, false if some weren't
Result<bool> run_predict(const PredictOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

}  // namespace consilium::trainer
