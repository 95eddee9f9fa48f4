#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/task/calibration.h"
#include "common/task/classification.h"
#include "common/task/kinds.h"
#include "common/task/limits.h"
#include "common/task/score_histogram.h"

namespace consilium::task {
namespace {

/// Maximum number of predictions of one site: examples times labels.
constexpr std::uint64_t kMaxPredictions = kMaxSiteExamples * static_cast<std::uint64_t>(kMaxClasses);

class MultiLabel : public Task {
 public:
  MultiLabel(const TaskSpec& spec, std::uint64_t labels) : Task(spec, labels) {
    fields_ = first_fields();
    fields_.push_back(encoding::count_field(std::string(kExactMatches), 1, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kOutcomes), labels * kOutcomeCount, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kPositives), labels * kScoreBins, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kNegatives), labels * kScoreBins, kMaxSiteExamples));
    add_calibration_fields(spec.calibration_bins, kMaxPredictions, fields_);
  }

 private:
  Result<void> check_counts(const Counts& counts) const override {
    const std::uint64_t examples = counts.one(kExamples);
    std::uint64_t least_right = examples;
    for (std::uint64_t label = 0; label < classes(); ++label) {
      const auto outcomes = counts.row(kOutcomes, label, classes());
      CONSILIUM_ASSIGN(const std::uint64_t all, total(outcomes));
      if (all != examples)
        return contradiction(fmt::format("label {} has {} outcomes, expected {}", label, all, examples));
      CONSILIUM_ASSIGN(const std::uint64_t positives, total(counts.row(kPositives, label, classes())));
      CONSILIUM_ASSIGN(const std::uint64_t negatives, total(counts.row(kNegatives, label, classes())));
      if (positives != outcomes[kTruePositive] + outcomes[kFalseNegative] ||
          negatives != outcomes[kFalsePositive] + outcomes[kTrueNegative])
        return contradiction(
            fmt::format("the score histograms of label {} hold {} and {} examples, its outcomes {} and {}", label,
                        positives, negatives, outcomes[kTruePositive] + outcomes[kFalseNegative],
                        outcomes[kFalsePositive] + outcomes[kTrueNegative]));
      least_right = std::min(least_right, outcomes[kTruePositive] + outcomes[kTrueNegative]);
    }
    CONSILIUM_TRY(check_at_most(counts.one(kExactMatches), least_right, "examples all of whose labels are right"));
    std::uint64_t predictions = 0;
    if (__builtin_mul_overflow(examples, classes(), &predictions))
      return contradiction("the number of labels of all examples exceeds 64 bits");
    return check_calibration(counts, predictions);
  }

  void add_metrics(const Counts& counts, Metrics& metrics) const override {
    add_auc(counts, metrics);
    BoundedMean f1;
    BoundedMean sensitivity;
    BoundedMean specificity;
    BoundedMean balanced;
    BoundedMean accuracy;
    for (std::uint64_t label = 0; label < classes(); ++label) {
      const auto outcomes = counts.row(kOutcomes, label, classes());
      const std::uint64_t positives = outcomes[kTruePositive] + outcomes[kFalseNegative];
      const std::uint64_t negatives = outcomes[kFalsePositive] + outcomes[kTrueNegative];
      accuracy.add(ratio(outcomes[kTruePositive] + outcomes[kTrueNegative], metrics.examples));
      if (positives != 0) {
        sensitivity.add(ratio(outcomes[kTruePositive], positives));
        const auto twice = 2.0 * static_cast<double>(outcomes[kTruePositive]);
        f1.add(twice /
               (twice + static_cast<double>(outcomes[kFalsePositive]) + static_cast<double>(outcomes[kFalseNegative])));
      }
      if (negatives != 0) specificity.add(ratio(outcomes[kTrueNegative], negatives));
      if (positives != 0 && negatives != 0)
        balanced.add(0.5 * (ratio(outcomes[kTruePositive], positives) + ratio(outcomes[kTrueNegative], negatives)));
    }
    metrics.values.push_back({"f1", f1.empty() ? 0.5 : f1.value(), f1.empty() ? 0.5 : 0.0});
    metrics.values.push_back({"accuracy", accuracy.value()});
    if (!balanced.empty()) metrics.values.push_back({"balanced_accuracy", balanced.value()});
    if (!sensitivity.empty()) metrics.values.push_back({"sensitivity", sensitivity.value()});
    if (!specificity.empty()) metrics.values.push_back({"specificity", specificity.value()});
    metrics.values.push_back({"exact_match", ratio(counts.one(kExactMatches), metrics.examples)});
    add_calibration(counts, metrics);
    add_auc_by_label(counts, metrics);
    const auto outcomes = counts.of(kOutcomes);
    if (outcomes.size() <= kMaxTableCounts)
      metrics.tables.push_back({std::string(kOutcomes),
                                static_cast<std::uint32_t>(classes()),
                                kOutcomeCount,
                                {outcomes.begin(), outcomes.end()}});
  }

  /// Returns true if the label has both positives and negatives.
  [[nodiscard]] bool rankable(const Counts& counts, std::uint64_t label) const {
    const auto outcomes = counts.row(kOutcomes, label, classes());
    return outcomes[kTruePositive] + outcomes[kFalseNegative] != 0 &&
           outcomes[kFalsePositive] + outcomes[kTrueNegative] != 0;
  }
  [[nodiscard]] Bounded area(const Counts& counts, std::uint64_t label) const {
    return area_under_curve(counts.row(kPositives, label, classes()), counts.row(kNegatives, label, classes()));
  }

  void add_auc(const Counts& counts, Metrics& metrics) const {
    BoundedMean mean;
    for (std::uint64_t label = 0; label < classes(); ++label) {
      if (!rankable(counts, label)) continue;
      const Bounded one = area(counts, label);
      mean.add(one.value, one.error);
    }
    metrics.values.push_back({"auc", mean.empty() ? 0.5 : mean.value(), mean.empty() ? 0.5 : mean.error()});
  }

  void add_auc_by_label(const Counts& counts, Metrics& metrics) const {
    if (classes() > kMaxClassesByName) return;
    for (std::uint64_t label = 0; label < classes(); ++label) {
      if (!rankable(counts, label)) continue;
      const Bounded one = area(counts, label);
      metrics.values.push_back({fmt::format("auc_class_{}", label), one.value, one.error});
    }
  }
};

}  // namespace

std::shared_ptr<const Task> make_multi_label(const TaskSpec& spec, std::uint64_t classes) {
  return std::make_shared<MultiLabel>(spec, classes);
}

}  // namespace consilium::task
