#include <array>
#include <nlohmann/json.hpp>

#include "common/task/limits.h"
#include "common/task/outputs.h"
#include "common/task/task_json.h"
#include "tests/catch.h"

namespace consilium::task {
namespace {

constexpr std::array kKinds{TaskKind::kClassification, TaskKind::kMultiLabel, TaskKind::kSegmentation,
                            TaskKind::kDetection};

TEST_CASE("every task and every loss survives its own JSON, and has a default") {
  for (const TaskKind kind : kKinds) {
    const TaskSpec task = default_task(kind);
    CHECK(task_from_json(to_json(task)).value() == task);
    CHECK(task_from_json(name_of(kind)).value() == task);
    CHECK(default_loss(kind).kind == losses_of(kind).front());
    for (const LossKind loss_kind : losses_of(kind)) {
      LossSpec loss;
      loss.kind = loss_kind;
      CHECK(to_json(loss, kind).is_string());
      CHECK(loss_from_json(to_json(loss, kind), task, 3).value() == loss);
      const LossKeys keys = keys_of(loss_kind, kind);
      if (keys.class_weights) loss.class_weights = {1.0, 0.0, 2.5};
      if (keys.gamma) loss.gamma = 0.5;
      if (keys.alpha) loss.alpha = 1.0;
      if (keys.label_smoothing) loss.label_smoothing = 0.1;
      if (keys.dice_weight) loss.dice_weight = 2.0;
      if (keys.anatomy) {
        loss.boundary_weight = 0.01;
        loss.volume_weight = 0.5;
        loss.volumes = {{1, 10.0, 20.0}, {2, 0.0, 5.5}};
      }
      CHECK(loss_from_json(to_json(loss, kind), task, 3).value() == loss);
    }
  }
}

TEST_CASE("classes are admitted up to one limit, for every task") {
  for (const TaskKind kind : kKinds) {
    CHECK(make_task(default_task(kind), 1000).has_value());
    CHECK_FALSE(make_task(default_task(kind), 1001).has_value());
    CHECK_FALSE(make_task(default_task(kind), 0).has_value());
    CHECK_FALSE(make_task(default_task(kind), ~std::uint64_t{0}).has_value());
    const bool one = kind == TaskKind::kMultiLabel || kind == TaskKind::kDetection;
    CHECK(make_task(default_task(kind), 1).has_value() == one);
    const auto largest = make_task(default_task(kind), 1000).value();
    CHECK(evaluate_layout(*largest, {.unusable = true}).has_value());
    CHECK(census_layout(*largest).has_value());
  }
  CHECK(kMaxClasses == 1000);
}

TEST_CASE("what is known of anatomy is read for segmentations alone, and held to the classes") {
  using nlohmann::json;
  const json rules{{"name", "segmentation"}, {"postprocess", {{"largest_component", {2, 1}}, {"fill_holes", {1}}}}};
  const TaskSpec task = task_from_json(rules).value();
  CHECK(task.postprocess.largest_component == std::vector<std::uint32_t>{1, 2});
  CHECK(task_from_json(to_json(task)).value() == task);
  CHECK(make_task(task, 3));
  CHECK_THAT(make_task(task, 2).error().message,
             Catch::Contains("task.postprocess.largest_component: expected classes from 1 to 1, found 2"));
  const auto told = [](const json& postprocess) {
    const auto read = task_from_json({{"name", "segmentation"}, {"postprocess", postprocess}});
    return read ? "" : read.error().message;
  };
  CHECK_THAT(told({{"fill_holes", {1, 1}}}), Catch::Contains("task.postprocess.fill_holes: expected a list"));
  CHECK_THAT(told({{"fill_holes", json::array()}}), Catch::Contains("fill_holes"));
  CHECK_THAT(told({{"smooth", {1}}}), Catch::Contains("smooth"));
  CHECK_THAT(told(7), Catch::Contains("task.postprocess: expected a map"));
  CHECK_FALSE(task_from_json({{"name", "classification"}, {"postprocess", {{"fill_holes", {1}}}}}).has_value());

  const auto loss = [&](json more) {
    more["name"] = "dice_cross_entropy";
    const auto read = loss_from_json(more, task, 3);
    return read ? "" : read.error().message;
  };
  CHECK(loss({{"volume_weight", 1}, {"volumes", {{"1", {2, 3}}}}}) == "");
  CHECK_THAT(loss({{"volume_weight", 1}}),
             Catch::Contains("training.loss.volumes: expected if volume_weight is above 0"));
  CHECK_THAT(loss({{"volumes", {{"1", {2, 3}}}}}), Catch::Contains("training.loss.volumes"));
  CHECK_THAT(loss({{"volume_weight", 1}, {"volumes", {{"1", {3, 2}}}}}), Catch::Contains("volumes.1: expected [least"));
  CHECK_THAT(loss({{"volume_weight", 1}, {"volumes", {{"3", {2, 3}}}}}), Catch::Contains("a class from 1 to 2"));
  CHECK_THAT(loss({{"volume_weight", 1}, {"volumes", {{"1", {2}}}}}), Catch::Contains("a map of classes"));
  CHECK_THAT(loss({{"volume_weight", 1}, {"volumes", {{"1", {2, 3}}, {"01", {2, 3}}}}}), Catch::Contains("once"));
  CHECK_THAT(loss({{"boundary_weight", -1}}), Catch::Contains("training.loss.boundary_weight"));
  CHECK_FALSE(
      loss_from_json({{"name", "cross_entropy"}, {"boundary_weight", 1}}, default_task(TaskKind::kClassification), 3)
          .has_value());
}

TEST_CASE("an augmentation reads back from what it was written as, and has its limits") {
  using nlohmann::json;
  const json written{{"flip", {"horizontal"}}, {"rotate", 15}, {"noise", 0.05}};
  const Augment augment = augment_from_json(written).value();
  CHECK(augment.flip == std::array<bool, 3>{false, false, true});
  CHECK(augment.rotate == 15.0);
  CHECK(augment_from_json(to_json(augment)).value() == augment);
  CHECK(to_json(Augment{}) == json::object());
  for (const json& wrong :
       {json{{"rotate", 181}}, json{{"rotate", -1}}, json{{"flip", "horizontal"}}, json{{"flip", {"diagonal"}}},
        json{{"flip", json::array()}}, json{{"turn", 1}}, json(3), json{{"noise", "much"}}}) {
    CAPTURE(wrong.dump());
    CHECK_THAT(augment_from_json(wrong).error().message, Catch::StartsWith("augment"));
  }
}

TEST_CASE("numbers of tasks and losses that can't be are refused") {
  using nlohmann::json;
  for (const json& wrong :
       {json(), json(1), json("x"), json::array(), json::object(), json{{"name", 1}},
        json{{"name", "detection"}, {"threshold", 0.5}}, json{{"name", "classification"}, {"threshold", "high"}},
        json{{"name", "classification"}, {"threshold", 0}}, json{{"name", "classification"}, {"calibration_bins", -1}},
        json{{"name", "multi_label"}, {"calibration_bins", 101}}}) {
    CHECK_FALSE(task_from_json(wrong).has_value());
  }
  const TaskSpec classification;
  for (const json& wrong :
       {json(), json("x"), json("fcos"), json{{"name", "focal"}, {"alpha", 0.5}},
        json{{"name", "focal"}, {"gamma", -1}}, json{{"name", "cross_entropy"}, {"class_weights", 1}},
        json{{"name", "cross_entropy"}, {"class_weights", {1, 2}}},
        json{{"name", "cross_entropy"}, {"class_weights", {1, 2, 1e7}}},
        json{{"name", "cross_entropy"}, {"label_smoothing", 1}}}) {
    CHECK_FALSE(loss_from_json(wrong, classification, 3).has_value());
  }
}

TEST_CASE("a model must yield what its task reads") {
  const auto task = [](TaskKind kind) { return make_task(default_task(kind), 3).value(); };
  const auto fits = [&](TaskKind kind, const Shape& input, const std::vector<Shape>& outputs) {
    return check_outputs(*task(kind), input, outputs).has_value();
  };
  CHECK(fits(TaskKind::kClassification, {1, 28, 28}, {{3}}));
  CHECK(fits(TaskKind::kMultiLabel, {60}, {{3}}));
  CHECK_FALSE(fits(TaskKind::kClassification, {1, 28, 28}, {{4}}));
  CHECK_FALSE(fits(TaskKind::kClassification, {1, 28, 28}, {{3}, {3}}));
  CHECK(fits(TaskKind::kSegmentation, {1, 20, 30}, {{3, 20, 30}}));
  CHECK(fits(TaskKind::kSegmentation, {2, 8, 20, 30}, {{3, 8, 20, 30}}));
  CHECK_FALSE(fits(TaskKind::kSegmentation, {1, 20, 30}, {{3, 10, 15}}));
  CHECK_FALSE(fits(TaskKind::kSegmentation, {60}, {{3}}));
  // 100 pixels: 13 cells of 8, 7 of 16.
  const std::vector<Shape> levels{{3, 13, 8}, {4, 13, 8}, {1, 13, 8}, {3, 7, 4}, {4, 7, 4}, {1, 7, 4}};
  CHECK(fits(TaskKind::kDetection, {1, 100, 64}, levels));
  CHECK_FALSE(fits(TaskKind::kDetection, {1, 64, 100}, levels));
  CHECK_FALSE(fits(TaskKind::kDetection, {1, 100, 64}, {levels.begin(), levels.begin() + 2}));
  CHECK_FALSE(fits(TaskKind::kDetection, {1, 100, 64}, {}));
}

TEST_CASE("the training examples of each class must fit the training examples") {
  const auto fits = [](TaskKind kind, std::uint64_t examples, const std::vector<std::uint64_t>& classes) {
    return make_task(default_task(kind), 2).value()->check_census(examples, classes).has_value();
  };
  CHECK(fits(TaskKind::kClassification, 5, {2, 3}));
  CHECK_FALSE(fits(TaskKind::kClassification, 5, {2, 2}));
  CHECK_FALSE(fits(TaskKind::kClassification, 5, {3, 3}));
  CHECK_FALSE(fits(TaskKind::kClassification, 5, {~std::uint64_t{0}, 6}));
  CHECK_FALSE(fits(TaskKind::kClassification, 5, {5}));
  CHECK(fits(TaskKind::kMultiLabel, 5, {5, 1}));
  CHECK(fits(TaskKind::kSegmentation, 5, {0, 5}));
  CHECK_FALSE(fits(TaskKind::kDetection, 5, {6, 0}));
}

}  // namespace
}  // namespace consilium::task
