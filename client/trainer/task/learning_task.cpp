#include "client/trainer/task/learning_task.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "client/trainer/task/learning_tasks.h"

namespace consilium::trainer {

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
