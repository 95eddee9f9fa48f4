#include "common/task/classification.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/task/calibration.h"
#include "common/task/kinds.h"
#include "common/task/limits.h"
#include "common/task/score_histogram.h"

namespace consilium::task {
namespace {

/// The totals of one class.
struct ClassTotals {
  std::uint64_t truth = 0;      ///< its examples: the row's sum
  std::uint64_t predicted = 0;  ///< the column's sum
  std::uint64_t right = 0;
};

/// Computes the totals of each class. They can't overflow, because the confusion matrix adds up to the number of
/// examples.
std::vector<ClassTotals> totals_by_class(std::span<const std::uint64_t> confusion, std::uint64_t classes) {
  std::vector<ClassTotals> totals(classes);
  for (std::uint64_t truth = 0; truth < classes; ++truth) {
    for (std::uint64_t predicted = 0; predicted < classes; ++predicted) {
      const std::uint64_t count = confusion[truth * classes + predicted];
      totals[truth].truth += count;
      totals[predicted].predicted += count;
      if (truth == predicted) totals[truth].right = count;
    }
  }
  return totals;
}

class Classification : public Task {
 public:
  Classification(const TaskSpec& spec, std::uint64_t classes) : Task(spec, classes) {
    fields_ = first_fields();
    fields_.push_back(encoding::count_field(std::string(kConfusion), classes * classes, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kPositives), classes * kScoreBins, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kNegatives), classes * kScoreBins, kMaxSiteExamples));
    add_calibration_fields(spec.calibration_bins, kMaxSiteExamples, fields_);
  }

 private:
  Result<void> check_counts(const Counts& counts) const override {
    const std::uint64_t examples = counts.one(kExamples);
    const auto confusion = counts.of(kConfusion);
    CONSILIUM_ASSIGN(const std::uint64_t in_matrix, total(confusion));
    if (in_matrix != examples)
      return contradiction(fmt::format("{} examples, but {} in the confusion matrix", examples, in_matrix));
    const std::vector<ClassTotals> totals = totals_by_class(confusion, classes());
    for (std::uint64_t index = 0; index < classes(); ++index) {
      CONSILIUM_ASSIGN(const std::uint64_t positives, total(counts.row(kPositives, index, classes())));
      CONSILIUM_ASSIGN(const std::uint64_t negatives, total(counts.row(kNegatives, index, classes())));
      const std::uint64_t truth = totals[index].truth;
      if (positives != truth || negatives != examples - truth)
        return contradiction(fmt::format("the score histograms of class {} hold {} and {} examples, expected {} and {}",
                                         index, positives, negatives, truth, examples - truth));
    }
    return check_calibration(counts, examples);
  }

  void add_metrics(const Counts& counts, Metrics& metrics) const override {
    const auto confusion = counts.of(kConfusion);
    const std::vector<ClassTotals> totals = totals_by_class(confusion, classes());
    BoundedMean recall;
    BoundedMean f1;
    std::uint64_t right = 0;
    for (const ClassTotals& one : totals) {
      right += one.right;
      if (one.truth == 0) continue;
      recall.add(ratio(one.right, one.truth));
      f1.add(2.0 * static_cast<double>(one.right) /
             (static_cast<double>(one.truth) + static_cast<double>(one.predicted)));
    }
    metrics.values.push_back({"accuracy", ratio(right, metrics.examples)});
    add_auc(counts, totals, metrics);
    metrics.values.push_back({"balanced_accuracy", recall.value()});
    metrics.values.push_back({"f1", f1.value()});
    add_operating_point(counts, totals, metrics);
    add_calibration(counts, metrics);
    if (confusion.size() <= kMaxTableCounts) {
      const auto side = static_cast<std::uint32_t>(classes());
      metrics.tables.push_back({std::string(kConfusion), side, side, {confusion.begin(), confusion.end()}});
    }
  }

  /// Adds the AUC of one class against the rest, averaged over the classes that have both. It's one half, plus or minus
  /// one half, if no class has.
  void add_auc(const Counts& counts, const std::vector<ClassTotals>& totals, Metrics& metrics) const {
    BoundedMean mean;
    for (std::size_t index = 0; index < totals.size(); ++index) {
      if (totals[index].truth == 0 || totals[index].truth == metrics.examples) continue;
      const Bounded area =
          area_under_curve(counts.row(kPositives, index, classes()), counts.row(kNegatives, index, classes()));
      mean.add(area.value, area.error);
    }
    metrics.values.push_back({"auc", mean.empty() ? 0.5 : mean.value(), mean.empty() ? 0.5 : mean.error()});
  }

  /// Adds sensitivity and specificity. Of two classes the second is the positive one; with more, each is compared with
  /// the rest.
  void add_operating_point(const Counts& counts, const std::vector<ClassTotals>& totals, Metrics& metrics) const {
    BoundedMean sensitivity;
    BoundedMean specificity;
    for (std::size_t index = classes() == 2 ? 1 : 0; index < totals.size(); ++index) {
      if (totals[index].truth != 0) {
        const Bounded found = share_above(counts.row(kPositives, index, classes()), spec().threshold);
        sensitivity.add(found.value, found.error);
      }
      if (totals[index].truth != metrics.examples) {
        const Bounded alarms = share_above(counts.row(kNegatives, index, classes()), spec().threshold);
        specificity.add(1.0 - alarms.value, alarms.error);
      }
    }
    if (!sensitivity.empty()) metrics.values.push_back({"sensitivity", sensitivity.value(), sensitivity.error()});
    if (!specificity.empty()) metrics.values.push_back({"specificity", specificity.value(), specificity.error()});
  }
};

}  // namespace

std::shared_ptr<const Task> make_classification(const TaskSpec& spec, std::uint64_t classes) {
  return std::make_shared<Classification>(spec, classes);
}

}  // namespace consilium::task
