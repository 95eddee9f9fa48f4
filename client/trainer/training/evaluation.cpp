#include "client/trainer/training/evaluation.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
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

std::vector<at::Tensor> row_of(std::span<const at::Tensor> outputs, std::size_t row) {
  std::vector<at::Tensor> own;
  for (const at::Tensor& output : outputs) own.push_back(output.narrow(0, static_cast<std::int64_t>(row), 1));
  return own;
}

Target row_of(const Target& target, std::size_t row) {
  Target own;
  const auto at = static_cast<std::int64_t>(row);
  if (target.values.defined()) own.values = target.values.narrow(0, at, 1);
  if (target.spacing.defined()) own.spacing = target.spacing.narrow(0, at, 1);
  if (!target.boxes.empty()) own.boxes = {target.boxes[row]};
  return own;
}

/// Evaluates rows of a split, and counts them together or by patient.
class Evaluation {
 public:
  /// @param models  one or several, each with all of the network's parameters
  /// @param counts  zeroed; for one counter or several
  Evaluation(Network& network, const LearningTask& task, const ExampleSource& examples, std::uint32_t batch_size,
             std::span<const float> models, std::span<std::uint64_t> counts, const Hooks& hooks)
      : network_(network), task_(task), examples_(examples), batch_size_(batch_size), models_(models), hooks_(hooks) {
    const std::size_t elements = task.task().evaluation_elements();
    for (std::size_t first = 0; first < counts.size(); first += elements)
      counters_.push_back(task.count_into(counts.subspan(first, elements)));
  }

  /// Counts rows.
  /// @param counters  for each row, the index of its counter
  Result<void> run(std::span<const std::int64_t> rows, std::span<const std::size_t> counters) {
    if (has_one_model()) network_.storage().load(models_);
    examples_.begin({}, rows);
    const std::size_t step = examples_.are_whole() ? 1 : batch_size_;
    Progress progress{.steps_done = 0, .steps_total = (rows.size() + step - 1) / step};
    for (std::size_t at = 0; at < rows.size(); at += step) {
      if (hooks_.cancelled()) return fail(ErrorCode::kCancelled, "evaluation: cancelled");
      const std::size_t count = std::min(step, rows.size() - at);
      CONSILIUM_ASSIGN(Batch batch, examples_.batch(rows.subspan(at, count)));
      CONSILIUM_TRY(count_batch(std::move(batch), counters.subspan(at, count)));
      ++progress.steps_done;
      hooks_.progress(progress);
    }
    for (const auto& counter : counters_) CONSILIUM_TRY(counter->finish());
    return {};
  }

 private:
  [[nodiscard]] std::size_t size_of_one() const { return network_.manifest().parameter_count(); }
  [[nodiscard]] bool has_one_model() const { return models_.size() == size_of_one(); }

  /// Returns the outputs of the network with its current parameters.
  Result<std::vector<at::Tensor>> outputs_of(const Batch& batch) {
    if (examples_.are_whole()) {
      CONSILIUM_ASSIGN(at::Tensor scores, scores_by_windows(network_, batch.images, batch_size_, hooks_.cancelled));
      return std::vector{without_padding(std::move(scores), batch.target.values.sizes().slice(1))};
    }
    std::vector<at::Tensor> outputs = network_.forward(batch.images, Pass{});
    for (at::Tensor& output : outputs) output = output.cpu();
    return outputs;
  }

  Result<std::vector<at::Tensor>> outputs_of_all(const Batch& batch) {
    if (has_one_model()) return outputs_of(batch);
    std::vector<std::vector<at::Tensor>> outputs;
    for (std::size_t first = 0; first < models_.size(); first += size_of_one()) {
      network_.storage().load(models_.subspan(first, size_of_one()));
      CONSILIUM_ASSIGN(std::vector<at::Tensor> own, outputs_of(batch));
      outputs.push_back(std::move(own));
    }
    return task_.mean_of_models(outputs);
  }

  Result<void> count_batch(Batch batch, std::span<const std::size_t> counters) {
    CONSILIUM_ASSIGN(const std::vector<at::Tensor> outputs, outputs_of_all(batch));
    batch.images = at::Tensor();
    const Target target = on_cpu(std::move(batch.target));
    if (counters_.size() == 1) return counters_.front()->add(outputs, target);
    for (std::size_t i = 0; i < counters.size(); ++i)
      CONSILIUM_TRY(counters_[counters[i]]->add(row_of(outputs, i), row_of(target, i)));
    return {};
  }

  Network& network_;
  const LearningTask& task_;
  const ExampleSource& examples_;
  std::uint32_t batch_size_;
  std::span<const float> models_;
  const Hooks& hooks_;
  std::vector<std::unique_ptr<Counter>> counters_;
};

Result<void> check_vectors(const Network& network, const LearningTask& task, std::span<const float> models,
                           std::uint64_t model_count, std::span<const std::uint64_t> counts, std::uint64_t counters,
                           std::uint32_t batch_size) {
  if (models.size() != model_count * network.manifest().parameter_count() || batch_size == 0 || model_count == 0 ||
      counters == 0 || counts.size() != counters * task.task().evaluation_elements()) {
    return fail(ErrorCode::kInvalidArgument, "evaluate: the vectors don't fit the model, or batch_size is 0");
  }
  return {};
}

double seconds_since(std::chrono::steady_clock::time_point start, const Hooks& hooks) {
  return std::chrono::duration<double>(hooks.now() - start).count();
}

}  // namespace

Result<Evaluated> evaluate(Network& network, const LearningTask& task, const ExampleSource& examples,
                           std::uint32_t batch_size, std::span<const float> model, std::span<std::uint64_t> counts,
                           const Hooks& hooks) {
  CONSILIUM_TRY(check_vectors(network, task, model, 1, counts, 1, batch_size));
  const auto start = hooks.now();
  return without_exceptions("evaluation", [&]() -> Result<Evaluated> {
    const c10::InferenceMode guard;
    std::vector<std::int64_t> rows(static_cast<std::size_t>(examples.size()));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    const std::vector<std::size_t> together(rows.size(), 0);
    CONSILIUM_TRY(Evaluation(network, task, examples, batch_size, model, counts, hooks).run(rows, together));
    return Evaluated{.seconds = seconds_since(start, hooks)};
  });
}

Result<EvaluatedPatients> evaluate_patients(Network& network, const LearningTask& task, const ExampleSource& examples,
                                            const EvaluatePatients& request, std::span<const float> models,
                                            std::span<std::uint64_t> counts, const Hooks& hooks) {
  CONSILIUM_TRY(check_vectors(network, task, models, request.models, counts, request.patients, request.batch_size));
  const auto start = hooks.now();
  return without_exceptions("evaluation", [&]() -> Result<EvaluatedPatients> {
    const c10::InferenceMode guard;
    std::vector<std::int64_t> rows;
    std::vector<std::size_t> counters;
    std::uint64_t all = 0;
    const std::vector<std::uint32_t> patients = examples.patients();
    for (std::size_t row = 0; row < patients.size(); ++row) {
      const std::uint64_t patient = patients[row];
      all = std::max(all, patient + 1);
      if (patient < request.first_patient || patient - request.first_patient >= request.patients) continue;
      rows.push_back(static_cast<std::int64_t>(row));
      counters.push_back(patient - request.first_patient);
    }
    Evaluation evaluation(network, task, examples, request.batch_size, models, counts, hooks);
    CONSILIUM_TRY(evaluation.run(rows, counters));
    return EvaluatedPatients{.seconds = seconds_since(start, hooks), .all = all};
  });
}

}  // namespace consilium::trainer
