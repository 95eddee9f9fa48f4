#include "client/trainer/task/losses.h"

#include <cmath>
#include <cstdlib>
#include <tuple>
#include <vector>

#include "client/trainer/task/fcos.h"
#include "fixtures.h"

namespace consilium::trainer {
namespace {

using testing::fixture;
using testing::floats;
using testing::integers;
using testing::learning;

/// The CPU, or the device that the environment names (cuda:0), whose results are then compared with the same fixtures.
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

/// Compares a gradient with central differences.
template <class Loss>
void check_slope(const at::Tensor& logits, Loss loss) {
  at::Tensor wanted = at::zeros_like(logits);
  constexpr double kStep = 1e-3;
  for (std::int64_t i = 0; i < logits.numel(); ++i) {
    const auto moved = [&](double by) {
      at::Tensor other = logits.detach().clone();
      other.view({-1})[i] += by;
      return loss(other).sum().template item<double>();
    };
    wanted.view({-1})[i] = (moved(kStep) - moved(-kStep)) / (2.0 * kStep);
  }
  const at::Tensor variable = logits.detach().clone().set_requires_grad(true);
  loss(variable).sum().backward();
  CHECK((variable.grad() - wanted).abs().max().template item<double>() < 1e-6);
}

at::Tensor some_logits(const std::vector<std::int64_t>& shape) {
  return at::sin(at::arange(at::tensor(shape).prod().item<std::int64_t>(), at::kDouble)).view(shape);
}

TEST_CASE("the boundary loss is the mean of the probabilities times the signed distances to the truth") {
  // A row of five pixels, the middle one of class 1: distances 2 1 -1 1 2.
  const at::Tensor classes = at::tensor({0, 0, 1, 0, 0}, at::kLong).view({1, 1, 5});
  const at::Tensor logits = some_logits({1, 2, 1, 5});
  const at::Tensor p = at::softmax(logits, 1).select(1, 1).flatten();
  const at::Tensor distances = at::tensor({2.0, 1.0, -1.0, 1.0, 2.0}, at::kDouble);
  CHECK(boundary_losses(logits, classes, {}).item<double>() == Approx((p * distances).mean().item<double>()));
  const at::Tensor spacing = at::tensor({9.0, 0.5}, at::kDouble).view({1, 2});
  CHECK(boundary_losses(logits, classes, spacing).item<double>() ==
        Approx(0.5 * (p * distances).mean().item<double>()));
  check_slope(logits, [&](const at::Tensor& z) { return boundary_losses(z, classes, {}); });
  // A class that an image doesn't have, or has everywhere, has no boundary.
  CHECK(boundary_losses(logits, at::zeros_like(classes), {}).item<double>() == 0.0);
  CHECK(boundary_losses(logits, at::ones_like(classes), {}).item<double>() == 0.0);
}

TEST_CASE("the boundary loss of a volume and of several classes is the mean over classes") {
  at::Tensor classes = at::zeros({2, 3, 3, 3}, at::kLong);
  classes[0][1][1][1] = 1;
  classes[0][0][0][0] = 2;
  const at::Tensor logits = some_logits({2, 3, 3, 3, 3});
  double sum = 0.0;
  const at::Tensor p = at::softmax(logits, 1);
  for (const auto& [c, at_z, at_y, at_x] : {std::tuple{1, 1, 1, 1}, {2, 0, 0, 0}}) {
    for (int z = 0; z < 3; ++z) {
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 3; ++x) {
          const double away = std::sqrt(std::pow(z - at_z, 2) + std::pow(y - at_y, 2) + std::pow(x - at_x, 2));
          sum += p[0][c][z][y][x].item<double>() * (away == 0.0 ? -1.0 : away);
        }
      }
    }
  }
  const at::Tensor losses = boundary_losses(logits, classes, {});
  CHECK(losses[0].item<double>() == Approx(sum / 54.0));
  CHECK(losses[1].item<double>() == 0.0);
  check_slope(logits, [&](const at::Tensor& z) { return boundary_losses(z, classes, {}); });
}

TEST_CASE("the volume loss is the square of what lies outside of the range, in shares of its end") {
  const at::Tensor classes = at::tensor({0, 1, 1, 0}, at::kLong).view({1, 2, 2});
  const at::Tensor logits = at::zeros({1, 2, 2, 2}, at::kDouble);  // a soft volume of 2
  const auto loss = [&](double least, double most, const at::Tensor& spacing = {}) {
    return volume_losses(logits, classes, spacing, {{1, least, most}}).item<double>();
  };
  CHECK(loss(1.0, 3.0) == 0.0);
  CHECK(loss(3.0, 4.0) == Approx(std::pow(1.0 / 4.0, 2)));
  CHECK(loss(0.5, 1.5) == Approx(std::pow(0.5 / 1.5, 2)));
  CHECK(loss(0.5, 1.5, at::tensor({0.5, 0.5}, at::kDouble).view({1, 2})) == 0.0);
  CHECK(volume_losses(logits, at::zeros_like(classes), {}, {{1, 3.0, 4.0}}).item<double>() == 0.0);
  const at::Tensor other = some_logits({1, 2, 2, 2});
  for (const task::VolumeRange& range : {task::VolumeRange{1, 3.5, 4.0}, {1, 0.1, 0.5}})
    check_slope(other, [&](const at::Tensor& z) { return volume_losses(z, classes, {}, {range}); });
}

TEST_CASE("a segmentation adds the terms that know anatomy to its loss") {
  const at::Tensor logits = some_logits({2, 3, 4, 4}).to(at::kFloat);
  const at::Tensor classes = at::arange(32, at::kLong).remainder(3).view({2, 4, 4});
  const Target target{.values = classes};
  const std::vector<at::Tensor> outputs{logits};
  const auto loss_of = [&](const nlohmann::json& loss) {
    return learning(task::default_task(task::TaskKind::kSegmentation), 3, loss)->losses(outputs, target);
  };
  const at::Tensor plain = loss_of({{"name", "dice_cross_entropy"}});
  const at::Tensor boundary = loss_of({{"name", "dice_cross_entropy"}, {"boundary_weight", 0.5}});
  CHECK((boundary - plain - 0.5 * boundary_losses(logits, classes, {})).abs().max().item<float>() < 1e-5F);
  const at::Tensor volume =
      loss_of({{"name", "dice_cross_entropy"}, {"volume_weight", 2.0}, {"volumes", {{"1", {1, 2}}, {"2", {9, 10}}}}});
  const at::Tensor wanted = volume_losses(logits, classes, {}, {{1, 1, 2}, {2, 9, 10}});
  CHECK(wanted.min().item<float>() > 0.0F);
  CHECK((volume - plain - 2.0 * wanted).abs().max().item<float>() < 1e-5F);
}

}  // namespace
}  // namespace consilium::trainer
