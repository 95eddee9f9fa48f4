#include "client/trainer/predict/predictor.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "client/trainer/models/torch_errors.h"
#include "client/trainer/task/fcos.h"
#include "client/trainer/task/learning_tasks.h"
#include "client/trainer/training/sliding_window.h"
#include "common/task/outputs.h"
#include "common/task/task.h"

namespace consilium::predict {
namespace {

using task::TaskKind;

/// The total size of a batch's images; larger batches wouldn't be faster.
constexpr std::size_t kBatchBytes = std::size_t{16} << 20;
constexpr std::size_t kMostAtOnce = 256;
/// The maximum number of windows in one pass of the network, as in evaluation.
constexpr std::int64_t kMostWindows = 256;

std::size_t values_of(const std::vector<std::int64_t>& input) {
  std::size_t values = 1;
  for (const std::int64_t side : input) values *= static_cast<std::size_t>(side);
  return values;
}

std::span<const float> row_of(const at::Tensor& output, std::int64_t row) {
  const auto values = static_cast<std::size_t>(output.numel() / output.size(0));
  return {output.const_data_ptr<float>() + static_cast<std::size_t>(row) * values, values};
}

/// Returns class scores as a volume in the prepared image's shape.
data::Volume scores_of(const at::Tensor& output, std::int64_t row) {
  data::Volume scores;
  scores.channels = output.size(1);
  scores.flat = output.dim() == 4;
  for (std::int64_t d = 2; d < output.dim(); ++d)
    scores.sides[static_cast<std::size_t>(d + 3 - output.dim())] = output.size(d);
  const std::span<const float> values = row_of(output, row);
  scores.values.assign(values.begin(), values.end());
  return scores;
}

}  // namespace

Result<Predictor> Predictor::create(const report::ResultFolder& model, const PreparationChoice& choice,
                                    const at::Device& device, std::function<bool()> cancelled) {
  Predictor predictor(model, choice);
  predictor.cancelled_ = std::move(cancelled);
  const job::JobSpec& job = model.spec;
  CONSILIUM_ASSIGN(predictor.scale_, trainer::InputScale::create(job::input_normalization(job), job.model.input));
  CONSILIUM_ASSIGN(predictor.network_, trainer::Network::create(job.model, device, job.training.precision));
  CONSILIUM_ASSIGN(const auto task, task::make_task(job.task, static_cast<std::uint64_t>(job.model.classes)));
  CONSILIUM_TRY(task::check_outputs(*task, job.model.input, predictor.network_->output_shapes()));
  predictor.network_->storage().load(model.model);
  if (!choice.windows)
    predictor.batch_size_ =
        std::clamp<std::size_t>(kBatchBytes / (values_of(job.model.input) * sizeof(float)), 1, kMostAtOnce);
  return predictor;
}

at::Tensor Predictor::batch_of(std::span<const data::PreparedItem> cases) const {
  std::vector<std::int64_t> shape = model_->spec.model.input;
  const data::Sides& sides = cases.front().image.sides;
  std::copy(sides.end() - static_cast<std::ptrdiff_t>(shape.size() - 1), sides.end(), shape.begin() + 1);
  shape.insert(shape.begin(), static_cast<std::int64_t>(cases.size()));
  at::Tensor batch = at::empty(shape, at::kFloat);
  float* to = batch.mutable_data_ptr<float>();
  for (const data::PreparedItem& one : cases) {
    scale_.write(one.image, to);
    to += one.image.values.size();
  }
  return batch.to(network_->device());
}

CasePrediction Predictor::read(std::span<const at::Tensor> outputs, std::int64_t row) const {
  CasePrediction prediction;
  const std::vector<std::int64_t>& input = model_->spec.model.input;
  switch (model_->spec.task.kind) {
    case TaskKind::kClassification:
      prediction.probabilities = softmax(row_of(outputs[0], row));
      break;
    case TaskKind::kMultiLabel:
      prediction.probabilities = sigmoid(row_of(outputs[0], row));
      break;
    case TaskKind::kSegmentation:
      prediction.scores = scores_of(outputs[0], row);
      break;
    case TaskKind::kDetection:
      prediction.detections = trainer::detections_from(outputs, row, input[1], input[2]);
      break;
  }
  return prediction;
}

void Predictor::finish(data::PreparedItem& image) const {
  choice_->preparation.lay_atlas(image);
  choice_->preparation.normalise(image, choice_->scale);
  data::Preparation::join_atlas(image);
}

Result<std::vector<CasePrediction>> Predictor::predict_whole(data::PreparedItem& image) {
  const data::Sides sides = image.image.sides;
  choice_->preparation.pad_to_patch(image);
  finish(image);
  const at::Tensor batch = batch_of({&image, 1});
  CONSILIUM_ASSIGN(at::Tensor scores, trainer::scores_by_windows(*network_, batch, kMostWindows, cancelled_));
  const auto dimensions = static_cast<std::size_t>(batch.dim() - 2);
  scores = trainer::without_padding(std::move(scores), {sides.data() + (3 - dimensions), dimensions});
  CONSILIUM_TRY(trainer::check_finite({&scores, 1}, 0));
  std::vector<CasePrediction> predictions;
  predictions.push_back(read({&scores, 1}, 0));
  return predictions;
}

Result<std::vector<CasePrediction>> Predictor::predict(std::span<data::PreparedItem> cases) {
  return trainer::without_exceptions("prediction", [&]() -> Result<std::vector<CasePrediction>> {
    const c10::InferenceMode guard;
    if (cancelled_()) return fail(ErrorCode::kCancelled, "prediction: interrupted");
    if (choice_->windows) return predict_whole(cases.front());
    for (data::PreparedItem& one : cases) finish(one);
    std::vector<at::Tensor> outputs = network_->forward(batch_of(cases), trainer::Pass{});
    for (at::Tensor& output : outputs) output = output.cpu().contiguous();
    CONSILIUM_TRY(trainer::check_finite(outputs, 0));
    std::vector<CasePrediction> predictions;
    for (std::size_t row = 0; row < cases.size(); ++row)
      predictions.push_back(read(outputs, static_cast<std::int64_t>(row)));
    return predictions;
  });
}

}  // namespace consilium::predict
