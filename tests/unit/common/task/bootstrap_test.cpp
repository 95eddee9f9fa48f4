#include "common/task/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "common/random/random_stream.h"
#include "common/task/classification.h"
#include "tests/catch.h"

namespace consilium::task {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::shared_ptr<const Task> two_classes() { return *make_task({}, 2); }

/// Returns a patient with some examples of class 0. The model predicts the given number of them correctly, all with the
/// same score.
PatientCounts patient(const Task& task, std::uint64_t examples, std::uint64_t right) {
  std::vector<std::uint64_t> counts(task.evaluation_elements(), 0);
  std::size_t first = 0;
  for (const encoding::Field& field : task.evaluation_fields()) {
    if (field.name == kExamples) counts[first] = examples;
    if (field.name == "confusion") {
      counts[first] = right;
      counts[first + 1] = examples - right;
    }
    if (field.name == kPositives) counts[first + 512] = examples;                       // class 0, true examples
    if (field.name == kNegatives) counts[first + field.elements / 2 + 512] = examples;  // class 1, other examples
    first += field.elements;
  }
  return without_zeros(counts);
}

/// Returns patients of one example each, predicted correctly with probability p.
EvaluatedPatients drawn_patients(const Task& task, std::size_t count, double p, std::uint32_t repetition) {
  RandomStream stream(11, RandomPurpose::kSynthetic, repetition, "patients");
  EvaluatedPatients patients(1);
  for (std::size_t i = 0; i < count; ++i) patients[0].push_back(patient(task, 1, stream.next_double() < p ? 1 : 0));
  return patients;
}

TEST_CASE("a patient's counts without their zeros add up to the same sums") {
  const std::vector<std::uint64_t> counts{0, 3, 0, 0, 7};
  const PatientCounts kept = without_zeros(counts);
  CHECK(kept == PatientCounts{{1, 4}, {3, 7}});
  std::vector<std::uint64_t> sum{1, 1, 1, 1, 1};
  add_patient(kept, 2, sum);
  CHECK(sum == std::vector<std::uint64_t>{1, 7, 1, 1, 15});
}

TEST_CASE("the 95 % interval holds the truth in 90 to 98 of 100 repetitions") {
  const auto task = two_classes();
  constexpr double kTruth = 0.8;
  constexpr std::uint32_t kRepetitions = 200;
  int held = 0;
  for (std::uint32_t repetition = 0; repetition < kRepetitions; ++repetition) {
    const std::vector<EvaluatedPatients> model{drawn_patients(*task, 100, kTruth, repetition)};
    const auto replicates = bootstrap(*task, model, 200, repetition);
    REQUIRE(replicates);
    const auto interval = percentile_interval(replicates->front().at("accuracy"));
    REQUIRE(interval);
    if (interval->low <= kTruth && kTruth <= interval->high) ++held;
  }
  CHECK(held >= 180);
  CHECK(held <= 196);
}

TEST_CASE("patients are drawn whole: alike examples of one don't make the interval narrower") {
  const auto task = two_classes();
  EvaluatedPatients single(1), tenfold(1);
  for (int i = 0; i < 50; ++i) {
    const bool right = i % 3 != 0;
    single[0].push_back(patient(*task, 1, right ? 1 : 0));
    tenfold[0].push_back(patient(*task, 10, right ? 10 : 0));
  }
  const auto of_single = bootstrap(*task, std::vector<EvaluatedPatients>{single}, 300, 5);
  const auto of_tenfold = bootstrap(*task, std::vector<EvaluatedPatients>{tenfold}, 300, 5);
  REQUIRE((of_single && of_tenfold));
  CHECK(of_single->front().at("accuracy") == of_tenfold->front().at("accuracy"));
}

TEST_CASE("each site keeps as many patients as it has, and a draw follows from its seed") {
  const auto task = two_classes();
  // The first site is always right, the second never. Because samples are drawn site by site, the accuracy is the same
  // in every sample.
  const EvaluatedPatients patients{std::vector<PatientCounts>(30, patient(*task, 1, 1)),
                                   std::vector<PatientCounts>(10, patient(*task, 1, 0))};
  const auto replicates = bootstrap(*task, std::vector<EvaluatedPatients>{patients}, 100, 3);
  REQUIRE(replicates);
  CHECK(std::ranges::all_of(replicates->front().at("accuracy"), [](double value) { return value == 0.75; }));

  const std::vector<EvaluatedPatients> mixed{drawn_patients(*task, 40, 0.5, 1)};
  CHECK(bootstrap(*task, mixed, 50, 3)->front().at("accuracy") ==
        bootstrap(*task, mixed, 50, 3)->front().at("accuracy"));
  CHECK(bootstrap(*task, mixed, 50, 3)->front().at("accuracy") !=
        bootstrap(*task, mixed, 50, 4)->front().at("accuracy"));
}

TEST_CASE("too few patients give no replicates: a site's only one is in every sample") {
  const auto task = two_classes();
  const auto alike = [&](std::size_t sites, std::size_t each) {
    EvaluatedPatients patients;
    for (std::size_t site = 0; site < sites; ++site) patients.push_back(drawn_patients(*task, each, 0.5, 3).front());
    return bootstrap(*task, std::vector<EvaluatedPatients>{patients}, 20, 1)->front();
  };
  CHECK(alike(40, 1).empty());
  CHECK(alike(1, 10).empty());
  CHECK_FALSE(alike(1, 11).empty());
  CHECK(alike(3, 4).empty());
  CHECK_FALSE(alike(5, 3).empty());
  CHECK(intervals_of(alike(40, 1)).empty());
}

TEST_CASE("models see the same samples: the difference of a model to itself is 0") {
  const auto task = two_classes();
  const EvaluatedPatients patients = drawn_patients(*task, 40, 0.7, 2);
  const auto replicates = bootstrap(*task, std::vector{patients, patients}, 100, 8);
  REQUIRE(replicates);
  const Replicates none = difference(replicates->at(0), replicates->at(1));
  CHECK(std::ranges::all_of(none.at("accuracy"), [](double value) { return value == 0.0; }));
  CHECK(mean_of(*replicates).at("accuracy") == replicates->front().at("accuracy"));

  const EvaluatedPatients fewer = drawn_patients(*task, 39, 0.7, 2);
  const auto refused = bootstrap(*task, std::vector{patients, fewer}, 100, 8);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("the interval cuts the same share at both sides, and none is told of too few samples") {
  std::vector<double> values;
  for (int i = 1; i <= 999; ++i) values.push_back(i);
  CHECK(percentile_interval(values) == Interval{25, 975});
  CHECK(percentile_interval({4.0, 2.0}) == Interval{2.0, 4.0});
  CHECK_FALSE(percentile_interval({}));
  std::vector<double> gaps(10, 0.5);
  gaps[0] = kNan;
  CHECK(percentile_interval(gaps) == Interval{0.5, 0.5});
  gaps[1] = kNan;
  CHECK_FALSE(percentile_interval(gaps));
}

TEST_CASE("means and differences leave out samples in which a metric has no value") {
  const std::vector<Replicates> models{{{"auc", {0.5, kNan, kNan}}}, {{"auc", {0.7, 0.9, kNan}}, {"dice", {1, 1, 1}}}};
  const Replicates mean = mean_of(models);
  CHECK(mean.at("auc")[0] == Approx(0.6));
  CHECK(mean.at("auc")[1] == Approx(0.9));
  CHECK(std::isnan(mean.at("auc")[2]));
  const Replicates more = difference(models[1], models[0]);
  CHECK(more.size() == 1);
  CHECK(more.at("auc")[0] == Approx(0.2));
  CHECK(std::isnan(more.at("auc")[1]));
}

}  // namespace
}  // namespace consilium::task
