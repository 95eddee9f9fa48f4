#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "client/trainer/training/local_training.h"
#include "networks.h"

namespace consilium::trainer {
namespace {

using nlohmann::json;
using testing::examples_for;
using testing::learning;
using testing::network_of;
using testing::value_of;

constexpr std::int64_t kBatch = 4;

/// The allowed difference between a CPU and PyTorch on a CPU, and that of a GPU.
double tolerance() { return testing::test_device().is_cpu() ? 1e-5 : 1e-4; }

/// scattered() and fill() of tests/fixtures/make_torch_fixtures.py.
double scattered(std::uint64_t x) {
  for (int turn = 0; turn < 2; ++turn) {
    x = (((x >> 16U) ^ x) * 0x45D9F3BU) & 0xFFFFFFFFU;
  }
  return static_cast<double>((x >> 16U) ^ x) / 2147483648.0 - 1.0;
}

ParameterVector formula_weights(const ParameterManifest& manifest) {
  ParameterVector weights(manifest.parameter_count());
  for (const TensorInfo& tensor : manifest.tensors()) {
    const bool scale = tensor.shape.size() == 1 && tensor.name.ends_with("weight");
    const double offset = scale || tensor.name.ends_with("running_var") ? 1.0 : 0.0;
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      weights[i] = static_cast<float>(offset + 0.05 * scattered(i));
    }
  }
  return weights;
}

model::ModelSpec spec_of(const json& fixture) {
  json model = fixture.at("model");
  model["input"] = fixture.at("input");
  model["classes"] = fixture.at("classes");
  return value_of(model::model_from_json(model));
}

Train request_of(const json& fixture) {
  Train request{.site = "north",
                .round = 1,
                .seed = 7,
                .local_epochs = fixture.at("steps").get<std::uint32_t>(),
                .batch_size = kBatch,
                .optimizer = {}};
  const json& optimizer = fixture.at("optimizer");
  const std::string name = optimizer.at("name");
  request.optimizer.kind = name == "sgd"    ? job::OptimizerKind::kSgd
                           : name == "adam" ? job::OptimizerKind::kAdam
                                            : job::OptimizerKind::kAdamW;
  request.optimizer.learning_rate = optimizer.at("learning_rate");
  request.optimizer.momentum = optimizer.value("momentum", 0.0);
  request.optimizer.weight_decay = optimizer.value("weight_decay", 0.0);
  request.proximal_mu = fixture.at("mu");
  request.gradient_clip = fixture.value("gradient_clip", 0.0);
  request.learning_rates = fixture.value("learning_rates", job::RateFactors());
  return request;
}

void check_near(double found, double expected) {
  CHECK(std::abs(found - expected) <= tolerance() * std::max(1.0, std::abs(expected)));
}

void check_updated(const json& fixture, const ParameterManifest& manifest, const ParameterVector& global,
                   const ParameterVector& delta) {
  double sum = 0.0;
  double square_sum = 0.0;
  ParameterVector local(global.size());
  for (std::size_t i = 0; i < local.size(); ++i) {
    local[i] = global[i] + delta[i];
    sum += static_cast<double>(local[i]);
    square_sum += static_cast<double>(local[i]) * static_cast<double>(local[i]);
  }
  check_near(sum, fixture.at("sum"));
  check_near(square_sum, fixture.at("square_sum"));
  const std::size_t stride = fixture.at("stride");
  for (std::size_t i = 0; i < fixture.at("sample").size(); ++i) {
    check_near(static_cast<double>(local.at(i * stride)), fixture.at("sample").at(i));
  }
  // Compares each tensor's change as a whole, so that a small one isn't overlooked.
  REQUIRE(fixture.at("tensors").size() == manifest.tensors().size());
  for (std::size_t t = 0; t < manifest.tensors().size(); ++t) {
    const TensorInfo& tensor = manifest.tensors()[t];
    const json& expected = fixture.at("tensors").at(t);
    CAPTURE(tensor.name);
    CHECK(tensor.name == expected.at("name").get<std::string>());
    if (tensor.frozen) {
      const auto begin = delta.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
      CHECK(std::all_of(begin, begin + static_cast<std::ptrdiff_t>(tensor.size), [](float d) { return d == 0.0F; }));
    }
    double change = 0.0;
    double norm = 0.0;
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      change += static_cast<double>(delta[i]);
      norm += static_cast<double>(delta[i]) * static_cast<double>(delta[i]);
    }
    const double expected_norm = expected.at("delta_norm");
    const double most = 2e-3 * expected_norm + 1e-6;
    CHECK(std::abs(std::sqrt(norm) - expected_norm) <= most);
    CHECK(std::abs(change - expected.at("delta_sum").get<double>()) <=
          most * std::sqrt(static_cast<double>(tensor.size)));
  }
}

json fixtures() {
  std::ifstream file(std::string(CONSILIUM_SOURCE_DIR) + "/tests/fixtures/trainer/torch_steps.json");
  return json::parse(file).at("cases");
}

TEST_CASE("forward, loss and optimiser steps agree with PyTorch's") {
  at::set_num_threads(1);
  for (const json& fixture : fixtures()) {
    const std::string title = fixture.at("title");
    DYNAMIC_SECTION(title) {
      const model::ModelSpec spec = spec_of(fixture);
      const auto network = network_of(spec);
      const ParameterVector global = formula_weights(network->manifest());
      const ExampleStore examples = examples_for(spec, kBatch);
      {
        const c10::InferenceMode guard;
        network->storage().load(global);
        std::vector<std::int64_t> rows(kBatch);
        std::iota(rows.begin(), rows.end(), 0);
        const at::Tensor logits =
            network->forward(examples.gather(rows).images, Pass{})[0].cpu().contiguous().view({-1});
        REQUIRE(logits.numel() == static_cast<std::int64_t>(fixture.at("logits").size()));
        for (std::int64_t i = 0; i < logits.numel(); ++i) {
          check_near(static_cast<double>(logits.const_data_ptr<float>()[i]),
                     fixture.at("logits").at(static_cast<std::size_t>(i)));
        }
      }
      ParameterVector delta(global.size());
      const Trained trained = value_of(
          train(*network, learning(network->spec().classes), examples, request_of(fixture), global, delta, {}));
      check_near(trained.mean_loss, fixture.at("losses").back());
      check_updated(fixture, network->manifest(), global, delta);
    }
  }
}

}  // namespace
}  // namespace consilium::trainer
