#include "common/report/metrics.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/encoding/fixed_point.h"

namespace consilium::report {

namespace {

using Counts = std::span<const std::uint64_t>;

/// The evaluate layout's counts, cut in their fields.
struct EvaluationCounts {
  std::uint64_t examples = 0;
  std::uint64_t loss = 0;
  Counts confusion;
  Counts positives;
  Counts negatives;
};

Result<std::uint64_t> total(Counts counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) {
    if (__builtin_add_overflow(sum, count, &sum))
      return fail(ErrorCode::kDataLoss, "evaluation counts: a sum exceeds 64 bits");
  }
  return sum;
}

Result<EvaluationCounts> cut(std::uint64_t classes, Counts counts) {
  const std::uint64_t bins = classes * encoding::kScoreBins;
  if (classes == 0 || classes > 16384 || counts.size() != 2 + classes * classes + 2 * bins) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("evaluation counts: {} numbers don't fit {} classes", counts.size(), classes));
  }
  EvaluationCounts cut;
  cut.examples = counts[0];
  cut.loss = counts[1];
  cut.confusion = counts.subspan(2, classes * classes);
  cut.positives = counts.subspan(2 + classes * classes, bins);
  cut.negatives = counts.subspan(2 + classes * classes + bins, bins);
  return cut;
}

struct Area {
  double auc = 0.0;
  double error = 0.0;
};

/// The area under the ROC curve from histograms in ascending order of score; ties and bins count half.
Area area_under_curve(Counts positives, Counts negatives, double all_positives, double all_negatives) {
  double below = 0.0;
  double wins = 0.0;
  double ties = 0.0;
  for (std::size_t bin = 0; bin < positives.size(); ++bin) {
    const auto pos = static_cast<double>(positives[bin]);
    const auto neg = static_cast<double>(negatives[bin]);
    wins += pos * below;
    ties += pos * neg;
    below += neg;
  }
  const double pairs = all_positives * all_negatives;
  return {(wins + 0.5 * ties) / pairs, 0.5 * ties / pairs};
}

/// Sums up what belongs to one class.
struct ClassTotals {
  std::uint64_t truth = 0;      ///< its examples: the row's sum
  std::uint64_t predicted = 0;  ///< the column's sum
  std::uint64_t right = 0;
};

Result<std::vector<ClassTotals>> totals_by_class(const EvaluationCounts& counts, std::uint64_t classes) {
  CONSILIUM_ASSIGN(const std::uint64_t in_matrix, total(counts.confusion));
  if (in_matrix != counts.examples) {
    return fail(ErrorCode::kDataLoss, fmt::format("evaluation counts: {} examples, but {} in the confusion matrix",
                                                  counts.examples, in_matrix));
  }
  std::vector<ClassTotals> totals(classes);
  for (std::uint64_t truth = 0; truth < classes; ++truth) {
    for (std::uint64_t predicted = 0; predicted < classes; ++predicted) {
      const std::uint64_t count = counts.confusion[truth * classes + predicted];
      totals[truth].truth += count;
      totals[predicted].predicted += count;
      if (truth == predicted) totals[truth].right = count;
    }
  }
  for (std::uint64_t index = 0; index < classes; ++index) {
    CONSILIUM_ASSIGN(const std::uint64_t positives,
                     total(counts.positives.subspan(index * encoding::kScoreBins, encoding::kScoreBins)));
    CONSILIUM_ASSIGN(const std::uint64_t negatives,
                     total(counts.negatives.subspan(index * encoding::kScoreBins, encoding::kScoreBins)));
    if (positives != totals[index].truth || negatives != counts.examples - totals[index].truth) {
      return fail(
          ErrorCode::kDataLoss,
          fmt::format("evaluation counts: the score histograms of class {} hold {} and {} examples, expected {} and {}",
                      index, positives, negatives, totals[index].truth, counts.examples - totals[index].truth));
    }
  }
  return totals;
}

void add_recall_and_f1(const std::vector<ClassTotals>& totals, Metrics& metrics) {
  double recalls = 0.0;
  double f1s = 0.0;
  std::uint64_t right = 0;
  std::uint64_t occurring = 0;
  for (const ClassTotals& one : totals) {
    right += one.right;
    if (one.truth == 0) continue;
    ++occurring;
    recalls += static_cast<double>(one.right) / static_cast<double>(one.truth);
    f1s += 2.0 * static_cast<double>(one.right) / (static_cast<double>(one.truth) + static_cast<double>(one.predicted));
  }
  metrics.accuracy = static_cast<double>(right) / static_cast<double>(metrics.examples);
  metrics.balanced_accuracy = recalls / static_cast<double>(occurring);
  metrics.f1 = f1s / static_cast<double>(occurring);
}

void add_auc(const EvaluationCounts& counts, const std::vector<ClassTotals>& totals, Metrics& metrics) {
  double sum = 0.0;
  double errors = 0.0;
  std::uint64_t rankable = 0;
  for (std::size_t index = 0; index < totals.size(); ++index) {
    const std::uint64_t positives = totals[index].truth;
    const std::uint64_t negatives = counts.examples - positives;
    if (positives == 0 || negatives == 0) continue;
    const Area area = area_under_curve(counts.positives.subspan(index * encoding::kScoreBins, encoding::kScoreBins),
                                       counts.negatives.subspan(index * encoding::kScoreBins, encoding::kScoreBins),
                                       static_cast<double>(positives), static_cast<double>(negatives));
    sum += area.auc;
    errors += area.error;
    ++rankable;
  }
  metrics.auc = rankable == 0 ? 0.5 : sum / static_cast<double>(rankable);
  metrics.auc_error = rankable == 0 ? 0.5 : errors / static_cast<double>(rankable);
}

}  // namespace

Result<Metrics> metrics_from_counts(std::uint64_t classes, std::span<const std::uint64_t> counts) {
  CONSILIUM_ASSIGN(const EvaluationCounts fields, cut(classes, counts));
  CONSILIUM_ASSIGN(const std::vector<ClassTotals> totals, totals_by_class(fields, classes));
  if (fields.examples == 0) return fail(ErrorCode::kFailedPrecondition, "evaluation counts: no examples");
  Metrics metrics;
  metrics.examples = fields.examples;
  metrics.loss = static_cast<double>(fields.loss) / encoding::kLossUnit / static_cast<double>(fields.examples);
  metrics.confusion.assign(fields.confusion.begin(), fields.confusion.end());
  add_recall_and_f1(totals, metrics);
  add_auc(fields, totals, metrics);
  return metrics;
}

Result<Metrics> metrics_from_words(const encoding::VectorLayout& layout, std::uint64_t classes,
                                   std::span<const std::uint32_t> words) {
  const bool unusable = layout.find(encoding::kUnusable) != nullptr;
  CONSILIUM_ASSIGN(const encoding::VectorLayout expected, encoding::evaluate_layout(classes, {.unusable = unusable}));
  if (layout != expected || words.size() != layout.word_count()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("evaluation sum: {} words aren't those of {} classes", words.size(), classes));
  }
  std::vector<std::uint64_t> counts;
  for (const encoding::Field& field : layout.fields()) {
    if (field.name == encoding::kUnusable) continue;
    const std::size_t first = counts.size();
    counts.resize(first + field.elements);
    CONSILIUM_TRY(
        encoding::decode_counts(words.subspan(field.offset, field.words()), field, std::span(counts).subspan(first)));
  }
  return metrics_from_counts(classes, counts);
}

}  // namespace consilium::report
