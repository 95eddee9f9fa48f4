#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "client/trainer/data/prepare.h"
#include "client/trainer/models/network.h"
#include "client/trainer/predict/case_prediction.h"
#include "client/trainer/predict/preparation_choice.h"
#include "client/trainer/training/input_scale.h"
#include "common/error/error.h"
#include "common/report/result_folder.h"

namespace consilium::predict {

/// Runs a trained model on prepared images in the same way as evaluation does: with the same normalisation, network,
/// windows and reading of outputs. Not thread-safe.
class Predictor {
 public:
  /// Fails if the model's outputs aren't those of its task.
  /// @param cancelled  called between passes of the network
  static Result<Predictor> create(const report::ResultFolder& model, const PreparationChoice& choice,
                                  const at::Device& device, std::function<bool()> cancelled);

  /// Returns the number of images that go through the network at once.
  [[nodiscard]] std::size_t batch_size() const { return batch_size_; }
  /// Predicts for at most batch_size() images. The images are changed: they are padded and normalised. Fails with
  /// kInvalidArgument if an output is NaN or infinite, with kResourceExhausted, or with kCancelled.
  Result<std::vector<CasePrediction>> predict(std::span<data::PreparedItem> cases);

 private:
  Predictor(const report::ResultFolder& model, const PreparationChoice& choice) : model_(&model), choice_(&choice) {}
  Result<std::vector<CasePrediction>> predict_whole(data::PreparedItem& image);
  /// Normalises an image and appends the atlas's channels.
  void finish(data::PreparedItem& image) const;
  [[nodiscard]] at::Tensor batch_of(std::span<const data::PreparedItem> cases) const;
  [[nodiscard]] CasePrediction read(std::span<const at::Tensor> outputs, std::int64_t row) const;

  const report::ResultFolder* model_;
  const PreparationChoice* choice_;
  std::unique_ptr<trainer::Network> network_;
  trainer::InputScale scale_;
  std::function<bool()> cancelled_;
  std::size_t batch_size_ = 1;
};

}  // namespace consilium::predict
