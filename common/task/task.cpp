#include "common/task/task.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/encoding/fixed_point.h"
#include "common/task/kinds.h"
#include "common/task/limits.h"

namespace consilium::task {

std::uint64_t Task::evaluation_elements() const {
  std::uint64_t elements = 0;
  for (const encoding::Field& field : fields_) elements += field.elements;
  return elements;
}

Result<void> Task::check(std::span<const std::uint64_t> counts) const {
  CONSILIUM_ASSIGN(const Counts fields, Counts::cut(fields_, counts));
  if (fields.one(kExamples) == 0) {
    for (const std::uint64_t count : counts) {
      if (count != 0) return contradiction("there are no examples, but not all counts are 0");
    }
  }
  return check_counts(fields);
}

Result<Metrics> Task::metrics(std::span<const std::uint64_t> counts) const {
  CONSILIUM_TRY(check(counts));
  CONSILIUM_ASSIGN(const Counts fields, Counts::cut(fields_, counts));
  Metrics metrics;
  metrics.examples = fields.one(kExamples);
  if (metrics.examples == 0) return fail(ErrorCode::kFailedPrecondition, "evaluation counts: no examples");
  add_loss(fields, metrics);
  add_metrics(fields, metrics);
  return metrics;
}

Result<void> Task::check_census(std::uint64_t examples, std::span<const std::uint64_t> class_examples) const {
  if (class_examples.size() != classes_)
    return fail(ErrorCode::kDataLoss,
                fmt::format("counted {} classes, the model has {}", class_examples.size(), classes_));
  const bool disjoint = spec_.kind == TaskKind::kClassification;
  std::uint64_t rest = examples;
  for (const std::uint64_t held : class_examples) {
    if (held > rest)
      return fail(ErrorCode::kDataLoss, fmt::format("class_examples: more than the {} training examples", examples));
    if (disjoint) rest -= held;
  }
  if (disjoint && rest != 0)
    return fail(ErrorCode::kDataLoss,
                fmt::format("class_examples: {} of the {} training examples have no class", rest, examples));
  return {};
}

Result<std::shared_ptr<const Task>> make_task(const TaskSpec& spec, std::uint64_t classes) {
  CONSILIUM_TRY(check(spec));
  const bool one_is_enough = spec.kind == TaskKind::kMultiLabel || spec.kind == TaskKind::kDetection;
  const std::uint64_t least = one_is_enough ? 1 : 2;
  if (classes < least || classes > static_cast<std::uint64_t>(kMaxClasses))
    return fail(ErrorCode::kInvalidArgument, fmt::format("task {}: expected {} to {} classes, found {}",
                                                         name_of(spec.kind), least, kMaxClasses, classes));
  CONSILIUM_TRY(check(spec.postprocess, classes));
  switch (spec.kind) {
    case TaskKind::kClassification:
      return make_classification(spec, classes);
    case TaskKind::kMultiLabel:
      return make_multi_label(spec, classes);
    case TaskKind::kSegmentation:
      return make_segmentation(spec, classes);
    case TaskKind::kDetection:
      return make_detection(spec, classes);
  }
  return fail(ErrorCode::kInvalidArgument, "unknown kind of task");
}

std::vector<encoding::Field> first_fields() {
  return {encoding::count_field(std::string(kExamples), 1, kMaxSiteExamples),
          encoding::count_field(std::string(kLoss), 1, ~std::uint64_t{0})};
}

void add_loss(const Counts& counts, Metrics& metrics) {
  const double loss = static_cast<double>(counts.one(kLoss)) / kUnit / static_cast<double>(metrics.examples);
  metrics.values.push_back({std::string(kLossMetric), loss, 0.0, false});
}

Result<encoding::VectorLayout> census_layout(const Task& task, encoding::Extras extras) {
  std::vector<encoding::Field> fields{
      encoding::count_field(std::string(kExamples), 3, kMaxSiteExamples),
      encoding::count_field(std::string(encoding::kClassExamples), task.classes(), kMaxSiteExamples)};
  if (extras.unusable) fields.push_back(encoding::count_field(std::string(encoding::kUnusable), 1, 1));
  return encoding::VectorLayout::create(std::move(fields));
}

Result<encoding::VectorLayout> evaluate_layout(const Task& task, encoding::Extras extras) {
  std::vector<encoding::Field> fields = task.evaluation_fields();
  if (extras.alone) {
    for (encoding::Field field : task.evaluation_fields()) {
      field.name = std::string(kAlonePrefix) + field.name;
      fields.push_back(std::move(field));
    }
  }
  if (extras.unusable) fields.push_back(encoding::count_field(std::string(encoding::kUnusable), 1, 1));
  return encoding::VectorLayout::create(std::move(fields));
}

Result<encoding::VectorLayout> evaluate_layout_like(const Task& task, const encoding::VectorLayout& layout) {
  const bool alone = layout.find(std::string(kAlonePrefix) + std::string(kExamples)) != nullptr;
  return evaluate_layout(task, {.unusable = layout.find(encoding::kUnusable) != nullptr, .alone = alone});
}

namespace {

/// Reads the task's counts, whose names begin with `prefix`, from the words of an evaluation.
Result<std::vector<std::uint64_t>> counts_from_words(const Task& task, const encoding::VectorLayout& layout,
                                                     std::span<const std::uint32_t> words, std::string_view prefix) {
  CONSILIUM_ASSIGN(const encoding::VectorLayout expected, evaluate_layout_like(task, layout));
  if (layout != expected || words.size() != layout.word_count()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("evaluation sum: {} words aren't those of a {} task of {} classes", words.size(),
                            name_of(task.spec().kind), task.classes()));
  }
  std::vector<std::uint64_t> counts;
  for (const encoding::Field& own : task.evaluation_fields()) {
    const encoding::Field* field = layout.find(std::string(prefix) + own.name);
    if (field == nullptr) return std::vector<std::uint64_t>();
    const std::size_t first = counts.size();
    counts.resize(first + field->elements);
    CONSILIUM_TRY(encoding::decode_counts(words.subspan(field->offset, field->words()), *field,
                                          std::span(counts).subspan(first)));
  }
  return counts;
}

}  // namespace

Result<Metrics> metrics_from_words(const Task& task, const encoding::VectorLayout& layout,
                                   std::span<const std::uint32_t> words) {
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> counts, counts_from_words(task, layout, words, ""));
  return task.metrics(counts);
}

Result<std::optional<Metrics>> alone_metrics_from_words(const Task& task, const encoding::VectorLayout& layout,
                                                        std::span<const std::uint32_t> words) {
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> counts, counts_from_words(task, layout, words, kAlonePrefix));
  if (counts.empty()) return std::optional<Metrics>();
  auto metrics = task.metrics(counts);
  if (!metrics && metrics.error().code == ErrorCode::kFailedPrecondition) return std::optional<Metrics>();
  if (!metrics) return fail(std::move(metrics).error());
  return std::optional<Metrics>(*std::move(metrics));
}

}  // namespace consilium::task
