#pragma once

#include <memory>
#include <span>
#include <vector>

#include "client/trainer/task/learning_task.h"

/// The four tasks that make_learning_task() creates, and what their counters share.
namespace consilium::trainer {

using TaskPtr = std::shared_ptr<const task::Task>;
using LearningTaskPtr = std::unique_ptr<const LearningTask>;

[[nodiscard]] LearningTaskPtr make_classification(TaskPtr task, const task::LossSpec& loss);
[[nodiscard]] LearningTaskPtr make_multi_label(TaskPtr task, const task::LossSpec& loss);
[[nodiscard]] LearningTaskPtr make_segmentation(TaskPtr task, const task::LossSpec& loss);
[[nodiscard]] LearningTaskPtr make_detection(TaskPtr task, const task::LossSpec& loss,
                                             const std::vector<std::int64_t>& input);

/// Computes LearningTask::mean_of_models() of scores [n, classes, ...]: the log of the mean over models of softmax.
[[nodiscard]] std::vector<at::Tensor> mean_of_softmax(std::span<const std::vector<at::Tensor>> outputs);
/// Computes the same for independent logits: the logit of the mean over models of sigmoid.
[[nodiscard]] std::vector<at::Tensor> mean_of_sigmoid(std::span<const std::vector<at::Tensor>> outputs);

/// Fails with kInvalidArgument if an example's output is NaN or infinite; the error names the first such example.
/// @param before  number of examples counted before this batch
Result<void> check_finite(Outputs outputs, std::uint64_t before);

}  // namespace consilium::trainer
