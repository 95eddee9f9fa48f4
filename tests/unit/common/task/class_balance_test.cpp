#include "common/task/class_balance.h"

#include <nlohmann/json.hpp>

#include "common/task/task_json.h"
#include "tests/catch.h"

namespace consilium::task {
namespace {

TEST_CASE("balanced weights give each class the same weight in all, and each label's positives that of its negatives") {
  const LabelCounts counts{100, {50, 25, 25}};
  const auto weights = balanced_weights(TaskKind::kClassification, counts);
  CHECK(weights == std::vector<double>{100.0 / 150.0, 100.0 / 75.0, 100.0 / 75.0});
  for (std::size_t c = 0; c < 3; ++c) CHECK(weights[c] * static_cast<double>(counts.classes[c]) == Approx(100.0 / 3.0));
  CHECK(balanced_weights(TaskKind::kMultiLabel, {100, {20, 50, 80}}) == std::vector<double>{4.0, 1.0, 0.25});
}

TEST_CASE("no balanced weight is further from 1 than ten times, and a class that nobody has weighs 1") {
  CHECK(balanced_weights(TaskKind::kClassification, {1000, {999, 1}}) == std::vector<double>{1000.0 / 1998.0, 10.0});
  CHECK(balanced_weights(TaskKind::kMultiLabel, {1000, {1000, 1, 0}}) == std::vector<double>{0.1, 10.0, 1.0});
  CHECK(balanced_weights(TaskKind::kClassification, {7, {0, 7}}) == std::vector<double>{1.0, 0.5});
}

TEST_CASE("a balanced loss has its weights from the counts, and any other keeps its own") {
  LossSpec loss;
  loss.balanced = true;
  LossSpec computed = with_weights(loss, TaskKind::kClassification, {4, {1, 3}});
  CHECK_FALSE(computed.balanced);
  CHECK(computed.class_weights == std::vector<double>{2.0, 4.0 / 6.0});
  CHECK(with_weights(loss, TaskKind::kClassification, {}) == LossSpec{});
  loss.balanced = false;
  loss.class_weights = {3.0, 1.0};
  CHECK(with_weights(loss, TaskKind::kClassification, {4, {1, 3}}) == loss);
}

TEST_CASE("a loss says balanced where labels of images are counted, and nowhere else") {
  const nlohmann::json balanced{{"name", "focal"}, {"class_weights", "balanced"}};
  const TaskSpec classification = default_task(TaskKind::kClassification);
  const LossSpec loss = loss_from_json(balanced, classification, 3).value();
  CHECK(loss.balanced);
  CHECK(loss_from_json(to_json(loss, TaskKind::kClassification), classification, 3).value() == loss);
  CHECK_THAT(loss_from_json(balanced, default_task(TaskKind::kSegmentation), 3).error().message,
             Catch::Contains("training.loss.class_weights: a segmentation job with focal can't have balanced weights"));
  CHECK_THAT(loss_from_json({{"name", "focal"}, {"class_weights", "even"}}, classification, 3).error().message,
             Catch::Contains("training.loss.class_weights: expected balanced or a list of"));
  CHECK(loss_from_json({{"name", "binary_cross_entropy"}, {"class_weights", "balanced"}},
                       default_task(TaskKind::kMultiLabel), 3)
            .value()
            .balanced);
}

TEST_CASE("label counts that can't be are refused") {
  CHECK(check(LabelCounts{5, {2, 3}}, 2));
  CHECK_THAT(check(LabelCounts{5, {2, 3}}, 3).error().message, Catch::Contains("one for each of 3 classes, found 2"));
  CHECK_THAT(check(LabelCounts{}, 2).error().message, Catch::Contains("found 0"));
  CHECK_THAT(check(LabelCounts{0, {0, 0}}, 2).error().message, Catch::Contains("expected at least one example"));
  CHECK_THAT(check(LabelCounts{5, {2, 6}}, 2).error().message, Catch::Contains("more examples than were counted"));
}

}  // namespace
}  // namespace consilium::task
