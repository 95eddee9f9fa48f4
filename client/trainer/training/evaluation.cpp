#include "client/trainer/training/evaluation.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "client/trainer/models/torch_errors.h"
#include "client/trainer/training/sliding_window.h"

namespace consilium::trainer {
namespace {

Target on_cpu(Target target) {
  if (target.values.defined()) target.values = target.values.cpu();
  for (Boxes& boxes : target.boxes) boxes = {boxes.corners.cpu(), boxes.classes.cpu()};
  return target;
}

/// The part of an image's scores that its mask covers: without the padding.
at::Tensor without_padding(at::Tensor scores, const at::Tensor& mask) {
  for (std::int64_t d = 2; d < scores.dim(); ++d) {
    const std::int64_t side = mask.size(d - 1);
    scores = scores.narrow(d, (scores.size(d) - side) / 2, side);
  }
  return scores.contiguous();
}

/// Counts one batch, or one whole image.
Result<void> count_batch(const Network& network, const ExampleSource& examples, Batch batch, std::uint32_t batch_size,
                         const Hooks& hooks, Counter& counter) {
  std::vector<at::Tensor> outputs;
  if (examples.are_whole()) {
    CONSILIUM_ASSIGN(at::Tensor scores, scores_by_windows(network, batch.images, batch_size, hooks.cancelled));
    batch.images = at::Tensor();
    outputs.push_back(without_padding(std::move(scores), batch.target.values));
  } else {
    outputs = network.forward(batch.images, Pass{});
    for (at::Tensor& output : outputs) output = output.cpu();
  }
  return counter.add(outputs, on_cpu(std::move(batch.target)));
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
    const std::size_t step = examples.are_whole() ? 1 : batch_size;
    Progress progress{.steps_done = 0, .steps_total = (rows.size() + step - 1) / step};
    for (std::size_t at = 0; at < rows.size(); at += step) {
      if (hooks.cancelled()) {
        return fail(ErrorCode::kCancelled, "evaluation: cancelled");
      }
      CONSILIUM_ASSIGN(Batch batch, examples.batch(std::span(rows).subspan(at, std::min(step, rows.size() - at))));
      CONSILIUM_TRY(count_batch(network, examples, std::move(batch), batch_size, hooks, *counter));
      ++progress.steps_done;
      hooks.progress(progress);
    }
    counter->finish();
    return Evaluated{.seconds = std::chrono::duration<double>(hooks.now() - start).count()};
  });
}

}  // namespace consilium::trainer
