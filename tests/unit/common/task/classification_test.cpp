#include "common/task/classification.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "common/encoding/fixed_point.h"
#include "common/task/score_histogram.h"
#include "common/task/task.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::task;

namespace {

struct Example {
  std::uint64_t truth = 0;
  std::vector<double> scores;  ///< one probability for each class
};

std::size_t bin_of(double probability) {
  const double logit = std::log(probability) - std::log1p(-probability);
  const double position = (logit + kScoreLogitRange) / (2 * kScoreLogitRange) * kScoreBins;
  return static_cast<std::size_t>(std::clamp(position, 0.0, static_cast<double>(kScoreBins - 1)));
}

std::vector<Example> draw(std::uint64_t seed, std::size_t count, std::uint64_t classes, double skill) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0.0, 1.0);
  std::vector<Example> examples(count);
  for (Example& example : examples) {
    example.truth = random() % classes;
    double sum = 0.0;
    for (std::uint64_t c = 0; c < classes; ++c) {
      example.scores.push_back(std::exp(normal(random) + (c == example.truth ? skill : 0.0)));
      sum += example.scores.back();
    }
    for (double& score : example.scores) score /= sum;
  }
  return examples;
}

std::vector<std::uint64_t> count(const std::vector<Example>& examples, std::uint64_t classes) {
  const std::size_t bins = kScoreBins;
  std::vector<std::uint64_t> counts(2 + classes * classes + 2 * classes * bins, 0);
  const std::size_t positives = 2 + classes * classes;
  const std::size_t negatives = positives + classes * bins;
  double loss = 0.0;
  for (const Example& example : examples) {
    const auto predicted = static_cast<std::uint64_t>(std::max_element(example.scores.begin(), example.scores.end()) -
                                                      example.scores.begin());
    ++counts[0];
    ++counts[2 + example.truth * classes + predicted];
    loss -= std::log(example.scores[example.truth]);
    for (std::uint64_t c = 0; c < classes; ++c) {
      ++counts[(c == example.truth ? positives : negatives) + c * bins + bin_of(example.scores[c])];
    }
  }
  counts[1] = static_cast<std::uint64_t>(std::llround(loss * kUnit));
  return counts;
}

std::shared_ptr<const Task> task_of(std::uint64_t classes) { return make_task({}, classes).value(); }

Result<Metrics> metrics_of(std::uint64_t classes, std::span<const std::uint64_t> counts) {
  return task_of(classes)->metrics(counts);
}

/// Compares pairs one by one.
double exact_auc(const std::vector<Example>& examples, std::uint64_t classes) {
  double sum = 0.0;
  std::size_t rankable = 0;
  for (std::uint64_t c = 0; c < classes; ++c) {
    double wins = 0.0;
    double pairs = 0.0;
    for (const Example& positive : examples) {
      if (positive.truth != c) continue;
      for (const Example& negative : examples) {
        if (negative.truth == c) continue;
        pairs += 1.0;
        wins += positive.scores[c] > negative.scores[c] ? 1.0 : positive.scores[c] == negative.scores[c] ? 0.5 : 0.0;
      }
    }
    if (pairs > 0.0) {
      sum += wins / pairs;
      ++rankable;
    }
  }
  return sum / static_cast<double>(rankable);
}

}  // namespace

TEST_CASE("the area under the curve is within its stated bound of the exact one") {
  const std::uint64_t seed = GENERATE(range(0u, 12u));
  const std::uint64_t classes = GENERATE(2u, 3u, 5u);
  const double skill = GENERATE(0.0, 0.7, 4.0);
  const auto examples = draw(seed, 150, classes, skill);
  const auto metrics = metrics_of(classes, count(examples, classes));
  REQUIRE(metrics.has_value());
  CHECK(std::fabs(metrics->value_of("auc") - exact_auc(examples, classes)) <= metrics->error_of("auc") + 1e-12);
  CHECK(metrics->error_of("auc") < 0.01);
}

TEST_CASE("scores that all fall in one bin give an area of one half, and an error that says nothing is known") {
  std::vector<Example> examples(10);
  for (std::size_t i = 0; i < examples.size(); ++i) examples[i] = {i % 2, {0.5, 0.5}};
  const auto metrics = metrics_of(2, count(examples, 2)).value();
  CHECK(metrics.value_of("auc") == 0.5);
  CHECK(metrics.error_of("auc") == 0.5);
}

TEST_CASE("a split of one class has no curve: one half, plus or minus one half") {
  std::vector<Example> examples(10);
  for (auto& example : examples) example = {0, {0.9, 0.1}};
  const auto metrics = metrics_of(2, count(examples, 2)).value();
  CHECK(metrics.value_of("auc") == 0.5);
  CHECK(metrics.error_of("auc") == 0.5);
  CHECK(metrics.value_of("accuracy") == 1.0);
  CHECK(metrics.value_of("balanced_accuracy") == 1.0);
  CHECK(metrics.value_of("f1") == 1.0);
}

TEST_CASE("loss, accuracy, balanced accuracy and F1 follow from the counts") {
  // Truth 0: 6 of 8 correct. Truth 1: 1 of 2 correct. Class 2 never occurs, but is predicted once.
  std::vector<Example> examples;
  const auto add = [&](std::uint64_t truth, std::uint64_t predicted, int times) {
    for (int i = 0; i < times; ++i) {
      Example example{truth, {0.2, 0.2, 0.2}};
      example.scores[predicted] = 0.6;
      examples.push_back(example);
    }
  };
  add(0, 0, 6);
  add(0, 1, 1);
  add(0, 2, 1);
  add(1, 1, 1);
  add(1, 0, 1);
  const auto metrics = metrics_of(3, count(examples, 3)).value();
  CHECK(metrics.examples == 10);
  CHECK(metrics.value_of("accuracy") == Approx(0.7));
  CHECK(metrics.value_of("balanced_accuracy") == Approx((0.75 + 0.5) / 2));
  CHECK(metrics.value_of("f1") == Approx((12.0 / 15.0 + 2.0 / 4.0) / 2));
  CHECK(metrics.value_of("loss") == Approx(-(7 * std::log(0.6) + 3 * std::log(0.2)) / 10).epsilon(1e-6));
  CHECK(metrics.table("confusion")->counts == std::vector<std::uint64_t>{6, 1, 1, 1, 1, 0, 0, 0, 0});
}

TEST_CASE("the words of several sites, added up, give the metrics of the pooled examples") {
  const std::uint64_t classes = 3;
  const auto layout = evaluate_layout(*task_of(classes)).value();
  std::vector<std::uint32_t> sum(layout.word_count(), 0);
  std::vector<Example> pooled;
  std::uint64_t loss = 0;
  for (std::uint64_t site = 0; site < 5; ++site) {
    const auto examples = draw(site, 20 + 10 * site, classes, 1.0);
    pooled.insert(pooled.end(), examples.begin(), examples.end());
    const auto counts = count(examples, classes);
    loss += counts[1];
    std::vector<std::uint32_t> words(layout.word_count());
    std::size_t first = 0;
    for (const auto& field : layout.fields()) {
      REQUIRE(encoding::encode_counts(std::span(counts).subspan(first, field.elements), field,
                                      std::span(words).subspan(field.offset, field.words()))
                  .has_value());
      first += field.elements;
    }
    encoding::add_words(words, sum);
  }
  auto counts = count(pooled, classes);
  counts[1] = loss;
  CHECK(metrics_from_words(*task_of(classes), layout, sum).value() == metrics_of(classes, counts).value());
  CHECK_FALSE(metrics_from_words(*task_of(2), layout, sum).has_value());
  sum.pop_back();
  CHECK_FALSE(metrics_from_words(*task_of(classes), layout, sum).has_value());
}

TEST_CASE("counts that contradict each other are data loss") {
  const auto good = count(draw(1, 30, 2, 1.0), 2);
  REQUIRE(metrics_of(2, good).has_value());
  const std::size_t index = GENERATE(std::size_t{0}, std::size_t{2}, std::size_t{5}, std::size_t{6 + 17},
                                     std::size_t{6 + 2048 + 5}, std::size_t{6 + 4095});
  const std::uint64_t lie = GENERATE(std::uint64_t{1}, ~std::uint64_t{0} - 100);
  auto bad = good;
  bad[index] += lie;
  const auto metrics = metrics_of(2, bad);
  REQUIRE_FALSE(metrics.has_value());
  CHECK(metrics.error().code == ErrorCode::kDataLoss);
}

TEST_CASE("no examples have no metrics, and the wrong number of counts is refused") {
  const std::vector<std::uint64_t> none(2 + 4 + 4 * kScoreBins, 0);
  CHECK(metrics_of(2, none).error().code == ErrorCode::kFailedPrecondition);
  CHECK(metrics_of(3, none).error().code == ErrorCode::kDataLoss);
}
