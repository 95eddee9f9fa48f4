#include <cstdlib>

#include "client/trainer/task/fcos.h"
#include "fixtures.h"

namespace consilium::trainer {
namespace {

using testing::fixture;
using testing::floats;
using testing::integers;
using testing::learning;

/// The CPU, or the device that the environment names (cuda:0), whose numbers are then compared with the same fixtures.
at::Device device() {
  const char* named = std::getenv("CONSILIUM_TEST_DEVICE");
  return at::Device(named == nullptr ? "cpu" : named);
}

task::TaskKind kind_of(const std::string& name) { return task::task_from_json(name).value().kind; }

void check_gradient(const at::Tensor& found, const nlohmann::json& expected) {
  REQUIRE(found.defined());
  const at::Tensor wanted = floats(expected, found.sizes().vec());
  CHECK((found.cpu() - wanted).abs().max().item<double>() < 1e-5);
}

TEST_CASE("losses and their gradients are PyTorch's") {
  for (const auto& json : fixture("losses")) {
    CAPTURE(json["name"].get<std::string>());
    const auto shape = json["shape"].get<std::vector<std::int64_t>>();
    const auto kind = kind_of(json["task"]);
    const auto task = learning(task::default_task(kind), static_cast<std::uint64_t>(shape[1]), json["loss"]);
    at::Tensor logits = floats(json["logits"], shape).to(device()).set_requires_grad(true);
    std::vector<std::int64_t> mask = shape;
    if (kind != task::TaskKind::kMultiLabel) mask.erase(mask.begin() + 1);
    const Target target{.values = integers(json["target"], mask).to(device()), .boxes = {}, .spacing = {}};
    const std::vector<at::Tensor> outputs{logits};
    const at::Tensor loss = task->loss(outputs, target);
    CHECK(loss.item<double>() == Approx(json["expected"]["loss"].get<double>()).epsilon(1e-4));
    loss.backward();
    check_gradient(logits.grad(), json["expected"]["gradients"][0]);
    CHECK(task->losses(outputs, target).sizes().vec() == std::vector<std::int64_t>{shape[0]});
  }
}

TEST_CASE("a focal loss stays finite, gradients too, where a prediction is certain") {
  for (const double gamma : {0.0, 0.5, 2.0}) {
    for (const auto kind : {task::TaskKind::kClassification, task::TaskKind::kMultiLabel}) {
      const auto task = learning(task::default_task(kind), 2, {{"name", "focal"}, {"gamma", gamma}});
      at::Tensor logits = at::tensor({200.0F, -200.0F, -200.0F, 200.0F}).view({2, 2}).set_requires_grad(true);
      Target target;
      target.values = kind == task::TaskKind::kClassification ? at::tensor({0, 0}, at::kLong)
                                                              : at::tensor({1.0F, 0.0F, 1.0F, 0.0F}).view({2, 2});
      const std::vector<at::Tensor> outputs{logits};
      const at::Tensor loss = task->loss(outputs, target);
      loss.backward();
      CHECK(at::isfinite(loss).all().item<bool>());
      CHECK(at::isfinite(logits.grad()).all().item<bool>());
    }
  }
}

TEST_CASE("the detector's targets and loss are torchvision's FCOS") {
  const auto json = fixture("fcos");
  const auto images = json["images"].get<std::int64_t>();
  const auto classes = json["classes"].get<std::int64_t>();
  const auto size = json["size"].get<std::int64_t>();
  const auto task = learning(task::default_task(task::TaskKind::kDetection), static_cast<std::uint64_t>(classes), {},
                             {3, size, size});
  std::vector<at::Tensor> outputs;
  for (const auto& cells : json["cells"]) {
    for (const std::int64_t channels : {classes, std::int64_t{4}, std::int64_t{1}}) {
      const auto n = cells.get<std::int64_t>();
      outputs.push_back(
          floats(json["outputs"][outputs.size()], {images, channels, n, n}).to(device()).set_requires_grad(true));
    }
  }
  Target target;
  for (std::size_t i = 0; i < static_cast<std::size_t>(images); ++i)
    target.boxes.push_back(
        {floats(json["boxes"][i], {-1, 4}).to(device()), integers(json["labels"][i], {-1}).to(device())});
  const Points points = points_of(outputs);
  for (std::size_t i = 0; i < target.boxes.size(); ++i) {
    const at::Tensor assigned = assign_targets(points, target.boxes[i].corners).cpu();
    CHECK(at::equal(assigned, integers(json["assigned"][i], {-1})));
    CHECK((i == 2 || (assigned >= 0).any().item<bool>()));
  }
  const at::Tensor loss = task->loss(outputs, target);
  CHECK(loss.item<double>() == Approx(json["expected"]["loss"].get<double>()).epsilon(1e-4));
  loss.backward();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    CAPTURE(i);
    check_gradient(outputs[i].grad(), json["expected"]["gradients"][i]);
  }
}

TEST_CASE("an image without boxes has a loss, and a gradient for every output") {
  const auto task = learning(task::default_task(task::TaskKind::kDetection), 1, {}, {1, 16, 16});
  std::vector<at::Tensor> outputs;
  for (const std::int64_t channels : {1, 4, 1})
    outputs.push_back(at::ones({1, channels, 2, 2}).set_requires_grad(true));
  Target target;
  target.boxes.push_back({at::zeros({0, 4}), at::zeros({0}, at::kLong)});
  const at::Tensor loss = task->loss(outputs, target);
  loss.backward();
  CHECK(loss.item<double>() > 0.0);
  CHECK(outputs[0].grad().abs().sum().item<double>() > 0.0);
  CHECK(outputs[1].grad().abs().sum().item<double>() == 0.0);
  CHECK(outputs[2].grad().defined());
}

}  // namespace
}  // namespace consilium::trainer
