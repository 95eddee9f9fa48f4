#pragma once

#include <memory>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/predict/options.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// `predict`: uses a federation's model on the images of one site, without a federation, and writes what it says into a
/// folder (docs/formats/predictions.md). Images are taken one by one, small ones several at a time; a file that can't
/// be read or predicted is named with the reason, and the others go on.
/// @param decoder  of image files; null where it can't be run
/// @return true: every image was predicted. False: some weren't; predictions.json names them
/// Fails where the model, the preparation, the input or the output folder can't be used, and with kCancelled after
/// SIGINT.
Result<bool> run_predict(const PredictOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

}  // namespace consilium::trainer
