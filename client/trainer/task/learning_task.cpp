#include "client/trainer/task/learning_task.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <utility>

#include "client/trainer/task/learning_tasks.h"

namespace consilium::trainer {
namespace {

/// Computes the log of the mean over models of exp(values), [models, ...] -> [...].
at::Tensor log_mean_exp(const std::vector<at::Tensor>& values) {
  return at::stack(values).logsumexp(0).sub_(std::log(static_cast<double>(values.size())));
}

/// Returns the first output of each model.
std::vector<at::Tensor> first_outputs(std::span<const std::vector<at::Tensor>> outputs) {
  std::vector<at::Tensor> first;
  for (const auto& own : outputs) first.push_back(own.front());
  return first;
}

}  // namespace

std::vector<at::Tensor> mean_of_softmax(std::span<const std::vector<at::Tensor>> outputs) {
  std::vector<at::Tensor> logs = first_outputs(outputs);
  for (at::Tensor& log : logs) log = at::log_softmax(log, 1);
  return {log_mean_exp(logs)};
}

std::vector<at::Tensor> mean_of_sigmoid(std::span<const std::vector<at::Tensor>> outputs) {
  std::vector<at::Tensor> logs = first_outputs(outputs), of_others = logs;
  for (at::Tensor& log : logs) log = at::log_sigmoid(log);
  for (at::Tensor& log : of_others) log = at::log_sigmoid(log.neg());
  return {log_mean_exp(logs).sub_(log_mean_exp(of_others))};
}

Result<std::vector<at::Tensor>> LearningTask::mean_of_models(
    std::span<const std::vector<at::Tensor>> /*outputs*/) const {
  return fail(ErrorCode::kInvalidArgument, fmt::format("evaluation: the outputs of several {} models can't be averaged",
                                                       task::name_of(task_->spec().kind)));
}

Result<void> check_finite(Outputs outputs, std::uint64_t before) {
  for (const at::Tensor& output : outputs) {
    const at::Tensor finite = at::isfinite(output).flatten(1).all(1);
    if (finite.all().item<bool>()) continue;
    const std::int64_t first = finite.logical_not().nonzero()[0].item<std::int64_t>();
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("evaluation: the model's output for example {} is NaN or infinite",
                            before + static_cast<std::uint64_t>(first)));
  }
  return {};
}

Result<std::unique_ptr<const LearningTask>> make_learning_task(std::shared_ptr<const task::Task> task,
                                                               const task::LossSpec& loss,
                                                               const std::vector<std::int64_t>& input) {
  CONSILIUM_TRY(task::check(loss, task->spec(), task->classes()));
  if (loss.balanced)
    return fail(ErrorCode::kInvalidArgument,
                "loss.class_weights: expected numbers, because a trainer has only one site's labels");
  switch (task->spec().kind) {
    case task::TaskKind::kClassification:
      return make_classification(std::move(task), loss);
    case task::TaskKind::kMultiLabel:
      return make_multi_label(std::move(task), loss);
    case task::TaskKind::kSegmentation:
      return make_segmentation(std::move(task), loss);
    case task::TaskKind::kDetection:
      if (input.size() != 3) return fail(ErrorCode::kInvalidArgument, "detection: expected images of 3 dimensions");
      return make_detection(std::move(task), loss, input);
  }
  return fail(ErrorCode::kInvalidArgument, "unknown kind of task");
}

}  // namespace consilium::trainer
