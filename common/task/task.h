#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"
#include "common/task/counts.h"
#include "common/task/metrics.h"
#include "common/task/task_spec.h"

namespace consilium::task {

/// One kind of task with a number of classes: the counters that its evaluation sums, and the metrics computed from the
/// sums. Independent of LibTorch: the trainer counts (client/trainer/task), and all other code only forwards counts.
/// Immutable and thread-safe.
class Task {
 public:
  virtual ~Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  [[nodiscard]] const TaskSpec& spec() const { return spec_; }
  [[nodiscard]] std::uint64_t classes() const { return classes_; }
  /// Returns the counters of an evaluation in order, each with the bound on what one site may count.
  [[nodiscard]] const std::vector<encoding::Field>& evaluation_fields() const { return fields_; }
  /// Returns the number of counts in an evaluation: the elements of all fields.
  [[nodiscard]] std::uint64_t evaluation_elements() const;

  /// Checks counts in the fields' order, of one site or summed over several, for contradictions that no examples could
  /// cause. The input may be hostile. Fails with kDataLoss, naming the contradiction.
  Result<void> check(std::span<const std::uint64_t> counts) const;
  /// Computes the metrics from counts that check() accepts. Every value and error is finite. Fails as check() does, and
  /// with kFailedPrecondition if there are no examples.
  Result<Metrics> metrics(std::span<const std::uint64_t> counts) const;
  /// Checks a site's number of training examples with each class against its number of training examples.
  Result<void> check_census(std::uint64_t examples, std::span<const std::uint64_t> class_examples) const;

 protected:
  Task(const TaskSpec& spec, std::uint64_t classes) : spec_(spec), classes_(classes) {}

  std::vector<encoding::Field> fields_;

 private:
  virtual Result<void> check_counts(const Counts& counts) const = 0;
  virtual void add_metrics(const Counts& counts, Metrics& metrics) const = 0;

  TaskSpec spec_;
  std::uint64_t classes_ = 0;
};

/// Creates the task. Fails with kInvalidArgument if the spec is out of range, or if the number of classes isn't 2 to
/// kMaxClasses (1 to kMaxClasses for multi-label and detection).
Result<std::shared_ptr<const Task>> make_task(const TaskSpec& spec, std::uint64_t classes);

using encoding::kMaxSiteExamples;

// Fields that come first in every task.
inline constexpr std::string_view kExamples = encoding::kExamples;
inline constexpr std::string_view kLoss = encoding::kLoss;  // sum of the examples' losses, in kUnit

/// Returns the layout of a census: examples (train, val, test), and training examples that contain each class.
Result<encoding::VectorLayout> census_layout(const Task& task, encoding::Extras extras = {});
/// Prefix of the names of the counters of the sites' own models (job::EvaluationSpec::alone).
inline constexpr std::string_view kAlonePrefix = "alone.";
/// Returns the layout of an evaluation: the task's counters, then the extras.
Result<encoding::VectorLayout> evaluate_layout(const Task& task, encoding::Extras extras = {});

/// Returns the layout of this task's evaluations with the extras of another layout.
Result<encoding::VectorLayout> evaluate_layout_like(const Task& task, const encoding::VectorLayout& layout);

/// Computes metrics from the words of an evaluation sum. Fails as Task::metrics() does, and with kInvalidArgument if
/// the layout isn't the task's.
Result<Metrics> metrics_from_words(const Task& task, const encoding::VectorLayout& layout,
                                   std::span<const std::uint32_t> words);
/// Computes the metrics of the sites' own models. Returns nullopt if the layout has no counters of theirs, or if no
/// site has such a model.
Result<std::optional<Metrics>> alone_metrics_from_words(const Task& task, const encoding::VectorLayout& layout,
                                                        std::span<const std::uint32_t> words);

}  // namespace consilium::task
