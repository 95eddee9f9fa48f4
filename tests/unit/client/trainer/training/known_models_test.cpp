#include <ATen/Parallel.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "client/trainer/training/local_training.h"
#include "common/task/task_json.h"
#include "networks.h"

/// Compares known models with torchvision's modules, and a U-Net with docs/researcher/models.md's. The fixtures hold
/// what PyTorch computes in double precision. tests/fixtures/make_model_fixtures.py writes them and states each
/// formula.
namespace consilium::trainer {
namespace {

using nlohmann::json;
using testing::network_of;
using testing::test_device;
using testing::value_of;

/// The tolerance of outputs, the loss and a step, relative to their size.
constexpr double kRelative = 1e-4;
/// The additional tolerance of a tensor's change, as a share of the changes of all tensors.
constexpr double kShareOfAll = 1e-6;

/// scattered() of the script: a hash of FNV-1a(name) + i, spread over [-1, 1).
class Scattered {
 public:
  explicit Scattered(std::string_view name) {
    for (const char c : name) start_ = (start_ ^ static_cast<unsigned char>(c)) * 0x01000193U;
  }
  double operator[](std::size_t i) const {
    std::uint32_t x = start_ + static_cast<std::uint32_t>(i);
    for (int turn = 0; turn < 2; ++turn) x = ((x >> 16U) ^ x) * 0x45D9F3BU;
    return static_cast<double>((x >> 16U) ^ x) / 2147483648.0 - 1.0;
  }

 private:
  std::uint32_t start_ = 0x811C9DC5U;
};

/// fill() of the script.
ParameterVector scattered_weights(const ParameterManifest& manifest) {
  std::set<std::string> vectors;
  for (const TensorInfo& tensor : manifest.tensors()) {
    if (tensor.shape.size() == 1) vectors.insert(tensor.name);
  }
  const auto belongs_to_norm = [&](const std::string& bias) {
    return bias.ends_with("bias") && vectors.contains(bias.substr(0, bias.size() - 4) + "weight");
  };
  ParameterVector weights(manifest.parameter_count());
  for (const TensorInfo& tensor : manifest.tensors()) {
    const Scattered noise(tensor.name);
    const std::size_t inputs = tensor.size / static_cast<std::size_t>(tensor.shape[0]);
    const double bound = std::sqrt(3.0 / static_cast<double>(inputs));
    const bool scale = tensor.name.ends_with("weight");
    const bool shift = belongs_to_norm(tensor.name);
    for (std::size_t i = 0; i < tensor.size; ++i) {
      double value = noise[i];
      if (tensor.shape.size() > 1) {
        value *= bound;
      } else if (tensor.name.ends_with("running_var")) {
        value = 1.0 + value / 4.0;
      } else if (scale) {
        value = 0.5 + value / 10.0;
      } else if (shift) {
        value = (value < 0.0 ? -0.75 : 0.75) + value / 4.0;
      } else {
        value /= 8.0;
      }
      weights[tensor.offset + i] = static_cast<float>(value);
    }
  }
  return weights;
}

/// Returns the examples of a fixture, which together are one batch.
class GivenExamples final : public ExampleSource {
 public:
  explicit GivenExamples(const json& fixture) {
    const auto count = fixture.at("batch").get<std::int64_t>();
    auto shape = fixture.at("input").get<std::vector<std::int64_t>>();
    shape.insert(shape.begin(), count);
    images_ = at::empty(shape, at::kFloat);
    auto* pixels = images_.mutable_data_ptr<float>();
    const auto size = static_cast<std::size_t>(images_.numel() / count);
    const Scattered noise("input " + std::to_string(fixture.at("draw").get<int>()));
    for (std::size_t n = 0; n < static_cast<std::size_t>(count); ++n) {
      const double height = 1.0 + 0.5 * static_cast<double>(n);
      const double pitch = 0.11 + 0.07 * static_cast<double>(n);
      for (std::size_t j = 0; j < size; ++j)
        *pixels++ = static_cast<float>(height * std::sin(static_cast<double>(j) * pitch) + 0.5 * noise[n * size + j]);
    }
    const auto classes = fixture.at("classes").get<std::int64_t>();
    const std::string task = fixture.at("task");
    if (task == "classification") values_ = at::arange(count, at::kLong).remainder(classes);
    if (task == "segmentation") {
      shape.erase(shape.begin() + 1);
      const at::Tensor pixel = at::arange(at::empty(shape).numel(), at::kLong);
      values_ = pixel.div(5, "floor").remainder(classes).view(shape);
    }
    if (task == "detection") add_boxes(fixture);
  }

  [[nodiscard]] std::int64_t size() const override { return images_.size(0); }
  void begin(const data::Draw& /*draw*/, std::span<const std::int64_t> /*order*/) const override {}
  [[nodiscard]] Result<Batch> batch(std::span<const std::int64_t> rows) const override {
    const at::Tensor index = at::tensor(at::IntArrayRef(rows.data(), rows.size()), at::kLong);
    Batch batch{images_.index_select(0, index).to(test_device()), {}};
    if (values_.defined()) batch.target.values = values_.index_select(0, index).to(test_device());
    for (const std::int64_t row : rows) {
      if (!boxes_.empty()) batch.target.boxes.push_back(boxes_[static_cast<std::size_t>(row)]);
    }
    return batch;
  }
  [[nodiscard]] const at::Tensor& images() const { return images_; }

 private:
  void add_boxes(const json& fixture) {
    for (std::size_t i = 0; i < fixture.at("boxes").size(); ++i) {
      std::vector<double> corners;
      for (const json& box : fixture["boxes"][i]) {
        for (const json& corner : box) corners.push_back(corner);
      }
      const auto labels = fixture["labels"][i].get<std::vector<std::int64_t>>();
      boxes_.push_back({at::tensor(corners, at::kFloat).view({-1, 4}).to(test_device()),
                        at::tensor(labels, at::kLong).to(test_device())});
    }
  }

  at::Tensor images_;
  at::Tensor values_;
  std::vector<Boxes> boxes_;
};

model::ModelSpec model_of(const json& fixture) {
  json model = fixture.at("model");
  model["input"] = fixture.at("input");
  model["classes"] = fixture.at("classes");
  return value_of(model::model_from_json(model));
}

/// Returns the fixture's task, with cross entropy unless it is a detector's.
std::unique_ptr<const LearningTask> learning_of(const json& fixture) {
  const task::TaskSpec spec = value_of(task::task_from_json(fixture.at("task")));
  task::LossSpec loss = task::default_loss(spec.kind);
  if (spec.kind == task::TaskKind::kSegmentation) loss.kind = task::LossKind::kCrossEntropy;
  auto made = value_of(task::make_task(spec, fixture.at("classes").get<std::uint64_t>()));
  return value_of(make_learning_task(std::move(made), loss, fixture.at("input").get<std::vector<std::int64_t>>()));
}

void check_tensors(const json& fixture, const ParameterManifest& manifest) {
  std::vector<std::string> found;
  std::vector<std::string> expected;
  const auto written = [](const std::string& name, const std::vector<std::int64_t>& shape) {
    return name + " " + json(shape).dump();
  };
  for (const TensorInfo& tensor : manifest.tensors()) found.push_back(written(tensor.name, tensor.shape));
  for (const json& tensor : fixture.at("tensors")) expected.push_back(written(tensor[0], tensor[1]));
  CHECK(found == expected);
}

void check_outputs(const json& fixture, const Network& network, const at::Tensor& images) {
  const c10::InferenceMode guard;
  const std::vector<at::Tensor> outputs = network.forward(images.to(test_device()), Pass{});
  REQUIRE(outputs.size() == fixture.at("outputs").size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    CAPTURE(i);
    const json& expected = fixture["outputs"][i];
    const at::Tensor flat = outputs[i].cpu().contiguous().to(at::kDouble).view({-1});
    REQUIRE(outputs[i].sizes().vec() == expected.at("shape").get<std::vector<std::int64_t>>());
    const double norm = expected.at("norm");
    const double scale = norm / std::sqrt(static_cast<double>(flat.numel()));
    CHECK(std::abs(flat.norm().item<double>() - norm) <= kRelative * norm);
    for (std::size_t s = 0; s < expected.at("sample").size(); ++s) {
      const auto at = static_cast<std::int64_t>(s) * expected.at("stride").get<std::int64_t>();
      const double value = expected["sample"][s];
      CHECK(std::abs(flat[at].item<double>() - value) <= kRelative * std::max(scale, std::abs(value)));
    }
  }
}

/// DenseNet-121 puts a batch norm and a ReLU before each of its 120 convolutions. The last bit of a processor's
/// convolution can push a value at a kink to the other side. This moves one layer's gradient by three thousandths, as
/// observed between processors with and without AVX-512.
double leeway_of(const json& fixture) {
  return fixture.at("title").get<std::string>().find("densenet") != std::string::npos ? 50.0 : 1.0;
}

void check_step(const json& fixture, const ParameterManifest& manifest, const ParameterVector& delta) {
  double whole = 0.0;
  for (std::size_t t = 0; t < manifest.tensors().size(); ++t) {
    const double norm = fixture.at("tensors")[t][2];
    if (manifest.tensors()[t].role == TensorRole::kTrainable) whole += norm * norm;
  }
  whole = std::sqrt(whole);
  for (std::size_t t = 0; t < manifest.tensors().size(); ++t) {
    const TensorInfo& tensor = manifest.tensors()[t];
    CAPTURE(tensor.name);
    const Scattered direction("along " + tensor.name);
    double squares = 0.0;
    double along = 0.0;
    for (std::size_t i = 0; i < tensor.size; ++i) {
      const auto change = static_cast<double>(delta[tensor.offset + i]);
      squares += change * change;
      along += change * direction[i];
    }
    const double norm = fixture["tensors"][t][2];
    const double most = leeway_of(fixture) * (kRelative * norm + kShareOfAll * whole);
    CHECK(std::abs(std::sqrt(squares) - norm) <= most);
    // The direction's numbers have a variance of 1/3, so an error as large as `most` moves the sum by about 0.6 of it.
    CHECK(std::abs(along - fixture["tensors"][t][3].get<double>()) <= 2.0 * most);
  }
}

json known_model_fixtures() {
  std::ifstream file(std::string(CONSILIUM_SOURCE_DIR) + "/tests/fixtures/trainer/known_models.json");
  return json::parse(file).at("cases");
}

TEST_CASE("known models have torchvision's tensors, outputs, loss and gradients") {
  at::set_num_threads(1);
  for (const json& fixture : known_model_fixtures()) {
    const std::string title = fixture.at("title");
    DYNAMIC_SECTION(title) {
      const auto network = network_of(model_of(fixture));
      check_tensors(fixture, network->manifest());
      const ParameterVector global = scattered_weights(network->manifest());
      const GivenExamples examples(fixture);
      {
        const c10::InferenceMode guard;
        network->storage().load(global);
      }
      check_outputs(fixture, *network, examples.images());
      Train order{.site = "north", .round = 1, .seed = 7, .local_epochs = 1, .optimizer = {}};
      order.batch_size = fixture.at("batch");
      order.optimizer.learning_rate = 1.0;
      ParameterVector delta(global.size());
      const Trained trained = value_of(train(*network, *learning_of(fixture), examples, order, global, delta, {}));
      const double loss = fixture.at("loss");
      CHECK(std::abs(trained.mean_loss - loss) <= kRelative * loss);
      check_step(fixture, network->manifest(), delta);
    }
  }
}

TEST_CASE("every known model is compared with PyTorch's") {
  std::set<std::string> compared{"fedavg_cnn", "mlp_2nn"};  // "forward, loss and optimiser steps agree with PyTorch's"
  for (const json& fixture : known_model_fixtures()) compared.insert(fixture.at("model").at("name").get<std::string>());
  for (const std::string& name : model::known_models()) {
    CAPTURE(name);
    CHECK(compared.contains(name));
  }
}

}  // namespace
}  // namespace consilium::trainer
