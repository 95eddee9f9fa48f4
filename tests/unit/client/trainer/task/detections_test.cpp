#include "client/trainer/task/detections.h"

#include <cmath>

#include "client/trainer/task/fcos.h"
#include "common/task/detection.h"
#include "fixtures.h"

namespace consilium::trainer {
namespace {

using testing::fixture;
using testing::learning;

Box box_of(const nlohmann::json& json) { return {json[0], json[1], json[2], json[3]}; }

struct Counted {
  explicit Counted(std::size_t classes)
      : truths(classes),
        detections(classes * task::detection_bins(classes)),
        hits(classes * task::kIouThresholds * task::detection_bins(classes)) {}
  [[nodiscard]] DetectionCounts spans() { return {truths, detections, hits}; }
  std::vector<std::uint64_t> truths, detections, hits;
};

TEST_CASE("average precision from histograms is pycocotools', within its bound") {
  for (const auto& json : fixture("detection")) {
    const auto classes = json["classes"].get<std::size_t>();
    const auto images = json["images"].get<std::size_t>();
    Counted counted(classes);
    for (std::size_t image = 0; image < images; ++image) {
      std::vector<Detection> found;
      std::vector<TrueBox> truths;
      for (const auto& one : json["detections"])
        if (one["image"] == image) found.push_back({box_of(one["box"]), one["score"], one["class"]});
      for (const auto& one : json["truths"])
        if (one["image"] == image) truths.push_back({box_of(one["box"]), one["class"]});
      count_image(without_duplicates(found, 1.0, task::kMaxDetections), truths, counted.spans());
    }
    std::vector<std::uint64_t> counts{images, 0};
    for (const auto* part : {&counted.truths, &counted.detections, &counted.hits})
      counts.insert(counts.end(), part->begin(), part->end());
    const auto task = task::make_task(task::default_task(task::TaskKind::kDetection), classes).value();
    const auto metrics = task->metrics(counts);
    REQUIRE(metrics.has_value());
    testing::check_metrics(*metrics, json["expected"], 1e-9);
    CHECK(metrics->error_of("map") < 0.05);
    CHECK(metrics->error_of("average_recall") == 0.0);
    CHECK(task::headline(*metrics)->name == "map");
  }
}

TEST_CASE("overlap is that of areas, and 0 for boxes that touch or are empty") {
  const Box square{0, 0, 10, 10};
  CHECK(intersection_over_union(square, square) == 1.0);
  CHECK(intersection_over_union(square, {5, 0, 15, 10}) == Approx(1.0 / 3.0));
  CHECK(intersection_over_union(square, {10, 0, 20, 10}) == 0.0);
  CHECK(intersection_over_union({3, 3, 3, 3}, {3, 3, 3, 3}) == 0.0);
}

TEST_CASE("of detections that overlap, the best one of each class is left, and no more than asked for") {
  const std::vector<Detection> found{
      {{0, 0, 10, 10}, 0.5F, 0}, {{0, 0, 10, 11}, 0.9F, 0}, {{0, 0, 10, 10}, 0.8F, 1}, {{50, 50, 60, 60}, 0.1F, 0}};
  const auto kept = without_duplicates(found, 0.6, 10);
  REQUIRE(kept.size() == 3);
  CHECK(kept[0].score == 0.9F);
  CHECK(kept[1].of_class == 1);
  CHECK(kept[2].score == 0.1F);
  CHECK(without_duplicates(found, 0.6, 2).size() == 2);
}

TEST_CASE("each box is found once, and by detections of its class alone") {
  Counted counted(2);
  const std::vector<Detection> found{{{0, 0, 10, 10}, 0.9F, 0}, {{0, 0, 10, 10}, 0.8F, 0}, {{0, 0, 10, 10}, 0.7F, 1}};
  count_image(found, std::vector<TrueBox>{{{0, 0, 10, 10}, 0}}, counted.spans());
  CHECK(counted.truths == std::vector<std::uint64_t>{1, 0});
  const auto sum = [](const std::vector<std::uint64_t>& v) {
    std::uint64_t all = 0;
    for (const auto one : v) all += one;
    return all;
  };
  CHECK(sum(counted.detections) == 3);
  CHECK(sum(counted.hits) == task::kIouThresholds);
  CHECK(counted.hits[task::detection_bin(static_cast<double>(0.9F), task::detection_bins(2))] == 1);
}

TEST_CASE("a detector's outputs are read as boxes in pixels, clipped to the image") {
  // One level of stride 8 over an image of 24 x 16 pixels. Cell (1, 1) is centred at (8, 8).
  std::vector<at::Tensor> outputs{at::full({1, 2, 2, 3}, -20.0F), at::zeros({1, 4, 2, 3}),
                                  at::full({1, 1, 2, 3}, 20.0F)};
  outputs[0][0][1][1][1] = 3.0F;
  outputs[1][0].select(1, 1).select(1, 1).copy_(at::tensor({0.5F, 2.0F, 1.0F, -1.0F}));
  const auto found = boxes_from(outputs, 0, 16, 24);
  REQUIRE(found.size() == 1);
  CHECK(found[0].of_class == 1);
  CHECK(found[0].score == Approx(std::sqrt(1.0 / (1.0 + std::exp(-3.0)))).epsilon(1e-5));
  CHECK(found[0].box.left == 4.0F);
  CHECK(found[0].box.top == 0.0F);  // 8 - 16, clipped
  CHECK(found[0].box.right == 16.0F);
  CHECK(found[0].box.bottom == 8.0F);  // a distance below 0 counts as 0

  const auto task = learning(task::default_task(task::TaskKind::kDetection), 2, {}, {3, 16, 24});
  std::vector<std::uint64_t> counts(task->task().evaluation_elements());
  const auto counter = task->count_into(counts);
  Target target;
  target.boxes.push_back({at::tensor({4.0F, 0.0F, 16.0F, 8.0F}).view({1, 4}), at::tensor({1}, at::kLong)});
  REQUIRE(counter->add(outputs, target).has_value());
  REQUIRE(counter->finish());
  const auto metrics = task->task().metrics(counts);
  REQUIRE(metrics.has_value());
  CHECK(metrics->value_of("map") == 1.0);
  CHECK(metrics->error_of("map") == 0.0);
  CHECK(metrics->value_of("loss") > 0.0);
  target.boxes[0].classes = at::tensor({2}, at::kLong);
  CHECK(counter->add(outputs, target).error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace consilium::trainer
