#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "common/encoding/fixed_point.h"
#include "common/task/average_precision.h"
#include "common/task/calibration.h"
#include "common/task/classification.h"
#include "common/task/detection.h"
#include "common/task/limits.h"
#include "common/task/metric_names.h"
#include "common/task/score_histogram.h"
#include "common/task/segmentation.h"
#include "common/task/task.h"
#include "tests/catch.h"

namespace consilium::task {
namespace {

using Values = std::vector<std::uint64_t>;
using Random = std::mt19937_64;

/// A task's counts, which a test fills field by field.
struct Filled {
  explicit Filled(TaskSpec spec, std::uint64_t classes = 3)
      : task(make_task(spec, classes).value()), counts(task->evaluation_elements()) {}
  [[nodiscard]] std::span<std::uint64_t> of(std::string_view name) {
    std::size_t first = 0;
    for (const auto& field : task->evaluation_fields()) {
      if (field.name == name) return std::span(counts).subspan(first, field.elements);
      first += field.elements;
    }
    FAIL("no field " << name);
    return {};
  }
  std::shared_ptr<const Task> task;
  Values counts;
};

void add_confidence(Filled& filled, double confidence, bool right) {
  const std::size_t bin = confidence_bin(confidence, static_cast<std::uint32_t>(filled.of(kConfidenceCounts).size()));
  ++filled.of(kConfidenceCounts)[bin];
  filled.of(kConfidenceRight)[bin] += right ? 1 : 0;
  filled.of(kConfidenceSums)[bin] += static_cast<std::uint64_t>(std::llround(confidence * kUnit));
}

Filled classification(Random& random) {
  Filled filled({.calibration_bins = 10});
  for (int i = 0; i < 40; ++i) {
    const std::size_t truth = random() % 3;
    const std::size_t predicted = random() % 2;
    ++filled.of(kExamples)[0];
    filled.of(kLoss)[0] += random() % (4 << 20);
    ++filled.of(kConfusion)[truth * 3 + predicted];
    for (std::size_t c = 0; c < 3; ++c)
      ++filled.of(c == truth ? kPositives : kNegatives)[c * kScoreBins + random() % kScoreBins];
    add_confidence(filled, static_cast<double>(random() % 1000) / 999.0, truth == predicted);
  }
  return filled;
}

Filled multi_label(Random& random) {
  Filled filled(default_task(TaskKind::kMultiLabel));
  for (int i = 0; i < 40; ++i) {
    bool all = true;
    for (std::size_t label = 0; label < 3; ++label) {
      const std::size_t outcome = random() % kOutcomeCount;
      ++filled.of(kOutcomes)[label * kOutcomeCount + outcome];
      const bool truth = outcome == kTruePositive || outcome == kFalseNegative;
      all = all && (outcome == kTruePositive || outcome == kTrueNegative);
      ++filled.of(truth ? kPositives : kNegatives)[label * kScoreBins + random() % kScoreBins];
      add_confidence(filled, 0.5 + static_cast<double>(random() % 500) / 998.0, random() % 2 == 0);
    }
    ++filled.of(kExamples)[0];
    filled.of(kExactMatches)[0] += all ? 1 : 0;
  }
  return filled;
}

Filled segmentation(Random& random) {
  Filled filled(default_task(TaskKind::kSegmentation));
  for (int i = 0; i < 20; ++i) {
    Values voxels(9);
    for (int v = 0; v < 60; ++v) {
      const std::size_t truth = random() % 3;
      const std::size_t predicted = random() % 3 == 0 ? random() % 3 : truth;
      ++voxels[truth * 3 + kTruth];
      ++voxels[predicted * 3 + kPredicted];
      if (truth == predicted) ++voxels[truth * 3 + kIntersection];
    }
    ++filled.of(kExamples)[0];
    for (std::size_t at = 0; at < 9; ++at) filled.of(kOverlap)[at] += voxels[at];
    for (std::size_t c = 1; c < 3; ++c) {
      const double both = static_cast<double>(voxels[c * 3 + kIntersection]);
      const double sides = static_cast<double>(voxels[c * 3 + kTruth] + voxels[c * 3 + kPredicted]);
      ++filled.of(kCases)[c - 1];
      filled.of(kDiceSums)[c - 1] += static_cast<std::uint64_t>(std::llround(2 * both / sides * kUnit));
      filled.of(kIouSums)[c - 1] += static_cast<std::uint64_t>(std::llround(both / (sides - both) * kUnit));
      ++filled.of(kDistances)[(c - 1) * kDistanceBins + random() % kDistanceBins];
    }
  }
  return filled;
}

Filled detection(Random& random) {
  Filled filled(default_task(TaskKind::kDetection));
  for (int i = 0; i < 30; ++i) {
    ++filled.of(kExamples)[0];
    const std::size_t c = random() % 3;
    const std::size_t bin = random() % detection_bins(3);
    ++filled.of(kTruths)[c];
    ++filled.of(kDetections)[c * detection_bins(3) + bin];
    const std::uint64_t up_to = random() % (kIouThresholds + 1);
    for (std::size_t t = 0; t < up_to; ++t) ++filled.of(kHits)[(c * kIouThresholds + t) * detection_bins(3) + bin];
  }
  return filled;
}

using Fill = Filled (*)(Random&);
constexpr std::array<Fill, 4> kFills{classification, multi_label, segmentation, detection};

void check_finite(const Metrics& metrics) {
  for (const Metric& metric : metrics.values) {
    CAPTURE(metric.name, metric.value, metric.error);
    if (!std::isfinite(metric.value) || !std::isfinite(metric.error) || metric.error < 0.0 || metric.value < -1e-9)
      FAIL("not a number that a metric can be");
    if (metric.higher_is_better && metric.value > 1.0 + 1e-5) FAIL("a share of more than 1");
  }
  CHECK(metrics.values.size() <= kMaxMetrics);
  CHECK(metrics.tables.size() <= kMaxTables);
}

TEST_CASE("a job may compare rounds by every metric of its task but those of single labels") {
  Random random(5);
  for (const Fill fill : kFills) {
    std::set<std::string> found;
    const Filled first = fill(random);
    for (int trial = 0; trial < 20; ++trial) {
      const Filled filled = trial == 0 ? first : fill(random);
      const Metrics metrics = filled.task->metrics(filled.counts).value();
      for (const Metric& metric : metrics.values) {
        if (metric.name.find("_class_") == std::string::npos) found.insert(metric.name);
      }
    }
    std::set<std::string> named;
    for (const std::string_view name : metric_names(first.task->spec())) named.emplace(name);
    CHECK(named == found);
  }
}

TEST_CASE("the counts that honest sites add up have metrics, each name once") {
  Random random(3);
  for (const Fill fill : kFills) {
    for (int trial = 0; trial < 10; ++trial) {
      const Filled one = fill(random);
      const Filled two = fill(random);
      Values sum = one.counts;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += two.counts[i];
      for (const Values& counts : {one.counts, two.counts, sum}) {
        const auto metrics = one.task->metrics(counts);
        if (!metrics) FAIL(metrics.error().message);
        check_finite(*metrics);
        CHECK(metrics->values.front().name == kLossMetric);
        REQUIRE(headline(*metrics) != nullptr);
        CHECK(headline(*metrics, 1) != nullptr);
        for (const Metric& metric : metrics->values) {
          CHECK(is_metric_name(metric.name));
          CHECK(metrics->find(metric.name) == &metric);
        }
      }
    }
  }
}

TEST_CASE("whatever a site writes into any count is an error or finite metrics, never NaN or overflow") {
  Random random(11);
  const Values lies{1, 2, 1000, 0xFFFFFFFFu, std::uint64_t{1} << 48, std::uint64_t{1} << 63, ~std::uint64_t{0}};
  std::size_t refused = 0;
  std::size_t accepted = 0;
  for (const Fill fill : kFills) {
    Filled honest = fill(random);
    for (int trial = 0; trial < 1500; ++trial) {
      Values counts = honest.counts;
      const std::size_t changes = 1 + random() % 3;
      for (std::size_t i = 0; i < changes; ++i) {
        // The fields have very different sizes. A lie hits each with the same probability.
        const auto& fields = honest.task->evaluation_fields();
        const std::size_t chosen = random() % fields.size();
        std::size_t at = random() % fields[chosen].elements;
        for (std::size_t f = 0; f < chosen; ++f) at += fields[f].elements;
        const std::uint64_t lie = lies[random() % lies.size()];
        counts[at] = random() % 2 == 0 ? lie : counts[at] + lie;
      }
      const auto metrics = honest.task->metrics(counts);
      if (metrics) {
        check_finite(*metrics);
        ++accepted;
      } else {
        CHECK((metrics.error().code == ErrorCode::kDataLoss || metrics.error().code == ErrorCode::kFailedPrecondition));
        ++refused;
      }
    }
  }
  CHECK(refused > 4000);
  CHECK(accepted > 0);  // any loss is possible
}

TEST_CASE("one count more, in any field but the loss, is a contradiction") {
  Random random(5);
  const auto lie_in = [&](Fill fill, std::string_view name, std::size_t at, std::uint64_t more = 1) {
    Filled filled = fill(random);
    REQUIRE(filled.task->check(filled.counts).has_value());
    filled.of(name)[at] += more;
    const auto checked = filled.task->check(filled.counts);
    CAPTURE(name);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == ErrorCode::kDataLoss);
    CHECK_THAT(checked.error().message, Catch::StartsWith("evaluation counts: "));
  };
  for (const Fill fill : {classification, multi_label}) {
    lie_in(fill, kExamples, 0);
    lie_in(fill, kPositives, 7);
    lie_in(fill, kNegatives, 7);
    lie_in(fill, kConfidenceCounts, 9);
    lie_in(fill, kConfidenceRight, 0, 1000);
    lie_in(fill, kConfidenceSums, 9, 60 << 20);
  }
  lie_in(classification, kConfusion, 4);
  lie_in(multi_label, kOutcomes, 4);
  lie_in(multi_label, kExactMatches, 0, 41);
  lie_in(segmentation, kExamples, 0, 5000);
  for (std::size_t column = 0; column < 3; ++column) lie_in(segmentation, kOverlap, 3 + column, 10000);
  lie_in(segmentation, kOverlap, 3 + kPredicted);
  lie_in(segmentation, kCases, 1);
  lie_in(segmentation, kDiceSums, 0, 21 << 20);
  lie_in(segmentation, kIouSums, 0, 21 << 20);
  lie_in(segmentation, kDistances, 3, 21);
  lie_in(detection, kDetections, 3, 3001);
  lie_in(detection, kHits, 3, 31);
}

TEST_CASE("a site without examples counts nothing, and a sum without examples has no metrics") {
  Random random(1);
  for (const Fill fill : kFills) {
    const Filled filled = fill(random);
    Values none(filled.counts.size());
    CHECK(filled.task->check(none).has_value());
    CHECK(filled.task->metrics(none).error().code == ErrorCode::kFailedPrecondition);
    for (std::size_t at : {std::size_t{1}, std::size_t{2}, none.size() - 1}) {
      Values some = none;
      some[at] = 1;
      CHECK(filled.task->check(some).error().code == ErrorCode::kDataLoss);
    }
    none.pop_back();
    CHECK(filled.task->check(none).error().code == ErrorCode::kDataLoss);
  }
}

TEST_CASE("each site's counts fit the words of their field, and the words of sites add up to the sum's metrics") {
  Random random(9);
  for (const Fill fill : kFills) {
    Values sum;
    std::vector<std::uint32_t> words;
    encoding::VectorLayout layout;
    std::shared_ptr<const Task> task;
    for (int site = 0; site < 4; ++site) {
      const Filled filled = fill(random);
      task = filled.task;
      layout = evaluate_layout(*task, {.unusable = true}).value();
      words.resize(layout.word_count());
      sum.resize(filled.counts.size());
      std::vector<std::uint32_t> own(layout.word_count());
      std::size_t first = 0;
      for (const auto& field : task->evaluation_fields()) {
        const encoding::Field& placed = *layout.find(field.name);
        REQUIRE(encoding::encode_counts(std::span(filled.counts).subspan(first, field.elements), placed,
                                        std::span(own).subspan(placed.offset, placed.words()))
                    .has_value());
        first += field.elements;
      }
      encoding::add_words(own, words);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += filled.counts[i];
    }
    CHECK(metrics_from_words(*task, layout, words).value() == task->metrics(sum).value());
    const auto other = make_task(task->spec(), 4).value();
    CHECK(metrics_from_words(*other, layout, words).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a threshold between two bins leaves half of one bin open, and one at an edge leaves nothing") {
  Values histogram(kScoreBins);
  histogram[score_bin(0.0)] = 6;
  histogram[score_bin(-0.001)] = 2;
  const Bounded at_half = share_above(histogram, 0.5);
  CHECK(at_half.value == 0.75);
  CHECK(at_half.error == 0.0);
  const Bounded above = share_above(histogram, 0.501);  // within the bin of 0
  CHECK(above.value == Approx(3.0 / 8.0));
  CHECK(above.error == Approx(3.0 / 8.0));
  CHECK(share_above(histogram, 0.9).value == 0.0);
  CHECK(share_above(histogram, 0.001).value == 1.0);
}

TEST_CASE("each distance lies in its bin, and bins are no wider than 4.8 % of where they end") {
  CHECK(distance_bin(0.0) == 0);
  CHECK(distance_bin(1e-9) == 1);
  CHECK(distance_bin(1e9) == kDistanceBins - 1);
  CHECK(distance_bin_end(kDistanceBins - 1) == Approx(kMostDistance));
  Random random(2);
  for (int i = 0; i < 1000; ++i) {
    const double distance = std::exp2(-6.0 + 17.0 * static_cast<double>(random() % 100000) / 100000.0);
    const std::size_t bin = distance_bin(distance);
    CHECK(distance <= distance_bin_end(bin) * (1 + 1e-12));
    if (bin > 1) {
      CHECK(distance >= distance_bin_end(bin - 1) * (1 - 1e-12));
      CHECK(distance_bin_end(bin) / distance_bin_end(bin - 1) < 1.048);
    }
  }
}

TEST_CASE("histograms of detections are finer the fewer the classes are, and stay within what can be sent") {
  CHECK(detection_bins(1) == 8192);
  CHECK(detection_bins(2) == 8192);
  CHECK(detection_bins(3) == 4096);
  CHECK(detection_bins(16) == 1024);
  CHECK(detection_bins(17) == 512);
  CHECK(detection_bins(kMaxClasses) == 512);
  CHECK(detection_bin(0.0, 8192) == 0);
  CHECK(detection_bin(0.5, 8192) == 4096);
  CHECK(detection_bin(1.0, 8192) == 8191);
  CHECK(detection_bin(0.501, 8192) > detection_bin(0.5, 8192));
}

TEST_CASE("average precision of one bin is anything between all misses first and all hits first") {
  Values hits(512);
  Values detections(512);
  hits[100] = 2;
  detections[100] = 4;
  const Bounded one = average_precision(hits, detections, 2);
  CHECK(one.value == Approx(0.75));  // between 1 and 1/2
  CHECK(one.error == Approx(0.25));
  detections[100] = 2;
  CHECK(average_precision(hits, detections, 2).value == 1.0);
  CHECK(average_precision(hits, detections, 2).error == 0.0);
  CHECK(average_precision(hits, detections, 4).value == Approx(51.0 / 101.0));  // recall ends at 1/2
  // As many hits as 64 bits count take no longer.
  hits[100] = detections[100] = ~std::uint64_t{0};
  CHECK(average_precision(hits, detections, ~std::uint64_t{0}).value == 1.0);
}

}  // namespace
}  // namespace consilium::task
