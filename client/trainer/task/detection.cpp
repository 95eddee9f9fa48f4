#include "common/task/detection.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "client/trainer/task/count_fields.h"
#include "client/trainer/task/detections.h"
#include "client/trainer/task/fcos.h"
#include "client/trainer/task/learning_tasks.h"

namespace consilium::trainer {
namespace {

std::vector<TrueBox> boxes_of(const Boxes& boxes) {
  std::vector<TrueBox> all;
  const at::Tensor corners = boxes.corners.contiguous();
  const at::Tensor classes = boxes.classes.contiguous();
  for (std::int64_t i = 0; i < classes.size(0); ++i) {
    const float* side = corners.const_data_ptr<float>() + 4 * i;
    all.push_back({{side[0], side[1], side[2], side[3]}, classes.const_data_ptr<std::int64_t>()[i]});
  }
  return all;
}

/// Fields: examples, loss, true boxes, detections by score, and those matched with a box at each threshold.
class DetectionCounter : public Counter {
 public:
  DetectionCounter(const LearningTask& task, std::span<std::uint64_t> counts, std::int64_t height, std::int64_t width)
      : task_(task), height_(height), width_(width), fields_(task.task(), counts) {}

  Result<void> add(Outputs outputs, const Target& target) override {
    auto& examples = fields_.of(task::kExamples)[0];
    CONSILIUM_TRY(check_finite(outputs, examples));
    if (static_cast<std::int64_t>(target.boxes.size()) != outputs[0].size(0))
      return fail(ErrorCode::kInvalidArgument, "evaluation: expected one list of boxes for each image");
    const DetectionCounts counts{fields_.of(task::kTruths), fields_.of(task::kDetections), fields_.of(task::kHits)};
    for (std::size_t image = 0; image < target.boxes.size(); ++image) {
      const std::vector<TrueBox> truths = boxes_of(target.boxes[image]);
      for (const TrueBox& truth : truths) {
        if (truth.of_class < 0 || truth.of_class >= static_cast<std::int64_t>(task_.task().classes()))
          return fail(ErrorCode::kInvalidArgument,
                      fmt::format("evaluation: a box has the class {}, which the model doesn't have", truth.of_class));
      }
      const auto found = detections_from(outputs, static_cast<std::int64_t>(image), height_, width_);
      count_image(found, truths, counts);
      ++examples;
    }
    loss_ += task_.losses(outputs, target).sum(at::kDouble).item<double>();
    return {};
  }

  Result<void> finish() override { return put_loss(loss_, fields_.of(task::kLoss)); }

 private:
  const LearningTask& task_;
  std::int64_t height_;
  std::int64_t width_;
  CountFields fields_;
  double loss_ = 0.0;
};

class Detector : public LearningTask {
 public:
  Detector(TaskPtr task, task::LossSpec loss, std::int64_t height, std::int64_t width)
      : LearningTask(std::move(task)), loss_(std::move(loss)), height_(height), width_(width) {}

  /// Computes each image's loss separately: its sums divided by the number of its own points that have a box.
  at::Tensor losses(Outputs outputs, const Target& target) const override {
    std::vector<at::Tensor> all;
    for (const FcosSums& sums : sums_of(outputs, target))
      all.push_back(sums.total / static_cast<double>(std::max<std::int64_t>(1, sums.foreground)));
    return at::stack(all);
  }
  /// Computes the batch's loss as torchvision does: the batch's sums divided by the number of the batch's points that
  /// have a box.
  at::Tensor loss(Outputs outputs, const Target& target) const override {
    std::vector<at::Tensor> all;
    std::int64_t foreground = 0;
    for (const FcosSums& sums : sums_of(outputs, target)) {
      all.push_back(sums.total);
      foreground += sums.foreground;
    }
    return at::stack(all).sum() / static_cast<double>(std::max<std::int64_t>(1, foreground));
  }
  std::unique_ptr<Counter> count_into(std::span<std::uint64_t> counts) const override {
    return std::make_unique<DetectionCounter>(*this, counts, height_, width_);
  }

 private:
  [[nodiscard]] std::vector<FcosSums> sums_of(Outputs outputs, const Target& target) const {
    const Points points = points_of(outputs);
    std::vector<FcosSums> all;
    for (std::size_t image = 0; image < target.boxes.size(); ++image)
      all.push_back(fcos_loss(outputs, points, static_cast<std::int64_t>(image), target.boxes[image], loss_));
    return all;
  }

  task::LossSpec loss_;
  std::int64_t height_;
  std::int64_t width_;
};

}  // namespace

LearningTaskPtr make_detection(TaskPtr task, const task::LossSpec& loss, const std::vector<std::int64_t>& input) {
  return std::make_unique<Detector>(std::move(task), loss, input[1], input[2]);
}

}  // namespace consilium::trainer
