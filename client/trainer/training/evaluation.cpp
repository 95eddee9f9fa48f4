#include "client/trainer/training/evaluation.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "client/trainer/models/torch_errors.h"

namespace consilium::trainer {
namespace {

Target on_cpu(Target target) {
  if (target.values.defined()) target.values = target.values.cpu();
  for (Boxes& boxes : target.boxes) boxes = {boxes.corners.cpu(), boxes.classes.cpu()};
  return target;
}

}  // namespace

Result<Evaluated> evaluate(Network& network, const LearningTask& task, const ExampleSource& examples,
                           std::uint32_t batch_size, std::span<const float> model, std::span<std::uint64_t> counts,
                           const Hooks& hooks) {
  if (model.size() != network.manifest().parameter_count() || batch_size == 0 ||
      counts.size() != task.task().evaluation_elements()) {
    return fail(ErrorCode::kInvalidArgument, "evaluate: the vectors passed do not fit the model, or batch_size is 0");
  }
  const auto start = hooks.now();
  return without_exceptions("evaluation", [&]() -> Result<Evaluated> {
    const c10::InferenceMode guard;
    network.storage().load(model);
    const std::unique_ptr<Counter> counter = task.count_into(counts);
    std::vector<std::int64_t> rows(static_cast<std::size_t>(examples.size()));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    examples.begin({}, rows);
    Progress progress{.steps_done = 0, .steps_total = (rows.size() + batch_size - 1) / batch_size};
    for (std::size_t at = 0; at < rows.size(); at += batch_size) {
      if (hooks.cancelled()) {
        return fail(ErrorCode::kCancelled, "evaluation: cancelled");
      }
      CONSILIUM_ASSIGN(const Batch batch, examples.batch(std::span(rows).subspan(
                                              at, std::min<std::size_t>(batch_size, rows.size() - at))));
      std::vector<at::Tensor> outputs = network.forward(batch.images, Pass{});
      for (at::Tensor& output : outputs) output = output.cpu();
      CONSILIUM_TRY(counter->add(outputs, on_cpu(batch.target)));
      ++progress.steps_done;
      hooks.progress(progress);
    }
    counter->finish();
    return Evaluated{.seconds = std::chrono::duration<double>(hooks.now() - start).count()};
  });
}

}  // namespace consilium::trainer
