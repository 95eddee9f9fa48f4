#pragma once

#include <ATen/ATen.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/task/learning_task.h"
#include "common/task/task_json.h"
#include "tests/catch.h"

namespace consilium::trainer::testing {

/// Reads a fixture that tests/fixtures/make_task_fixtures.py wrote.
inline nlohmann::json fixture(const std::string& name) {
  std::ifstream file(std::string(CONSILIUM_SOURCE_DIR "/tests/fixtures/task/") + name + ".json");
  return nlohmann::json::parse(file);
}

inline at::Tensor floats(const nlohmann::json& values, const std::vector<std::int64_t>& shape) {
  return at::tensor(values.get<std::vector<double>>(), at::kDouble).to(at::kFloat).reshape(shape).clone();
}
inline at::Tensor integers(const nlohmann::json& values, const std::vector<std::int64_t>& shape) {
  return at::tensor(values.get<std::vector<std::int64_t>>(), at::kLong).reshape(shape).clone();
}

inline std::unique_ptr<const LearningTask> learning(const task::TaskSpec& spec, std::uint64_t classes,
                                                    const nlohmann::json& loss = {},
                                                    const std::vector<std::int64_t>& input = {1, 64, 64}) {
  const auto read = loss.is_null() ? Result<task::LossSpec>(task::default_loss(spec.kind))
                                   : task::loss_from_json(loss, spec, classes);
  if (!read) FAIL(read.error().message);
  auto made = make_learning_task(task::make_task(spec, classes).value(), *read, input);
  if (!made) FAIL(made.error().message);
  return *std::move(made);
}

/// Counts batches and computes the metrics of the counts.
inline task::Metrics evaluated(const LearningTask& task, const std::vector<std::pair<at::Tensor, Target>>& batches) {
  std::vector<std::uint64_t> counts(task.task().evaluation_elements(), 77);
  const auto counter = task.count_into(counts);
  for (const auto& [output, target] : batches) {
    const std::vector<at::Tensor> outputs{output};
    const auto added = counter->add(outputs, target);
    if (!added) FAIL(added.error().message);
  }
  REQUIRE(counter->finish());
  auto metrics = task.task().metrics(counts);
  if (!metrics) FAIL(metrics.error().message);
  return *std::move(metrics);
}

/// Checks that each expected value lies within the metric's error bound, allowing for rounding.
inline void check_metrics(const task::Metrics& metrics, const nlohmann::json& expected, double slack = 1e-6) {
  for (const auto& [name, value] : expected.items()) {
    CAPTURE(name, value.get<double>(), metrics.value_of(name), metrics.error_of(name));
    REQUIRE(metrics.find(name) != nullptr);
    CHECK(std::abs(metrics.value_of(name) - value.get<double>()) <= metrics.error_of(name) + slack);
  }
}

}  // namespace consilium::trainer::testing
