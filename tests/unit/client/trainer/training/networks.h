#pragma once

#include <ATen/ATen.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/device.h"
#include "client/trainer/models/network.h"
#include "client/trainer/task/learning_task.h"
#include "client/trainer/training/example_store.h"
#include "common/model/model_json.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"

namespace consilium::trainer::testing {

/// Takes a Result's value, or fails the test with its message.
template <class T>
T value_of(Result<T> result) {
  if (!result) {
    FAIL(result.error().message);
  }
  return std::move(*result);
}

/// The device of these tests: CONSILIUM_TEST_DEVICE ("cuda:0"), else the CPU. scripts/check_cuda runs them on a GPU.
inline const at::Device& test_device() {
  static const at::Device device = [] {
    const char* name = std::getenv("CONSILIUM_TEST_DEVICE");
    return name == nullptr ? at::Device(at::kCPU) : value_of(set_up_device(name, 1));
  }();
  return device;
}

/// Returns a model with 3 features, a hidden layer and 2 classes. A step takes microseconds.
inline model::ModelSpec small_model() {
  model::ModelSpec spec;
  spec.layers = {model::Linear{.out_features = 8}, model::Relu{}, model::Linear{.out_features = 2}};
  spec.input = {3};
  spec.classes = 2;
  return spec;
}

inline std::unique_ptr<Network> network_of(const model::ModelSpec& spec,
                                           job::Precision precision = job::Precision::kFloat32) {
  return value_of(Network::create(spec, test_device(), precision));
}

/// Returns classification by plain cross entropy, the default of jobs.
inline const LearningTask& learning(std::int64_t classes) {
  static std::map<std::int64_t, std::unique_ptr<const LearningTask>> known;
  auto& task = known[classes];
  if (!task) {
    auto made = value_of(task::make_task({}, static_cast<std::uint64_t>(classes)));
    task = value_of(make_learning_task(std::move(made), {}, {}));
  }
  return *task;
}

/// Returns `count` examples of the model's shape, from a formula; labels i % classes.
inline ExampleStore examples_for(const model::ModelSpec& spec, std::int64_t count) {
  std::int64_t size = 1;
  for (const std::int64_t dimension : spec.input) {
    size *= dimension;
  }
  const at::Tensor position = at::arange(count * size, at::kDouble);
  const at::Tensor images =
      (at::sin(position * 0.11) + 0.5 * at::cos(position * 0.013)).to(at::kFloat).view({count, size});
  return value_of(ExampleStore::create(images, at::arange(count, at::kLong).remainder(spec.classes), spec.input, {},
                                       test_device()));
}

}  // namespace consilium::trainer::testing
