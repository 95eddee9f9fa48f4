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

/// One kind of task for a number of classes: which counters its evaluation sums, and which metrics follow from the
/// sums. Free of LibTorch; the trainer counts (client/trainer/task), everybody else only passes counts on. Immutable,
/// and thread-safe.
class Task {
 public:
  virtual ~Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  [[nodiscard]] const TaskSpec& spec() const { return spec_; }
  [[nodiscard]] std::uint64_t classes() const { return classes_; }
  /// The counters of an evaluation in their order, each with the bound of what one site may count.
  [[nodiscard]] const std::vector<encoding::Field>& evaluation_fields() const { return fields_; }
  /// How many counts an evaluation has: the elements of all fields.
  [[nodiscard]] std::uint64_t evaluation_elements() const;

  /// Checks counts in the fields' order, a site's or several added up, for what no examples could have given. Hostile
  /// input. Fails with kDataLoss, naming the contradiction.
  Result<void> check(std::span<const std::uint64_t> counts) const;
  /// Computes the metrics of counts that check() accepts. Every value and error is finite. Fails as check() does, and
  /// with kFailedPrecondition where there are no examples.
  Result<Metrics> metrics(std::span<const std::uint64_t> counts) const;
  /// Checks a site's training examples of each class against all its training examples.
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

/// Makes the task. Fails with kInvalidArgument where the spec is out of range, or classes aren't 2 to kMaxClasses (1 to
/// kMaxClasses for multi-label and detection).
Result<std::shared_ptr<const Task>> make_task(const TaskSpec& spec, std::uint64_t classes);

using encoding::kMaxSiteExamples;

// Fields that every task has first.
inline constexpr std::string_view kExamples = encoding::kExamples;
inline constexpr std::string_view kLoss = encoding::kLoss;  // the examples' losses, summed, in kUnit

/// Lays out a census: examples (train, val, test), training examples that hold each class.
Result<encoding::VectorLayout> census_layout(const Task& task, encoding::Extras extras = {});
/// What the names of the counters of the sites' own models begin with (job::EvaluationSpec::alone).
inline constexpr std::string_view kAlonePrefix = "alone.";
/// Lays out an evaluation: the task's counters, then the extras.
Result<encoding::VectorLayout> evaluate_layout(const Task& task, encoding::Extras extras = {});

/// The layout of this task's evaluations that has the extras of another one.
Result<encoding::VectorLayout> evaluate_layout_like(const Task& task, const encoding::VectorLayout& layout);

/// Computes metrics from the words of an evaluation sum. Fails as Task::metrics() does, and with kInvalidArgument where
/// the layout isn't the task's.
Result<Metrics> metrics_from_words(const Task& task, const encoding::VectorLayout& layout,
                                   std::span<const std::uint32_t> words);
/// The same of the sites' own models; nothing where the layout has none of their counters, or no site has such a model.
Result<std::optional<Metrics>> alone_metrics_from_words(const Task& task, const encoding::VectorLayout& layout,
                                                        std::span<const std::uint32_t> words);

}  // namespace consilium::task
