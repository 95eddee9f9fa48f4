#include <cmath>
#include <nlohmann/json.hpp>

#include "client/trainer/training/evaluation.h"
#include "client/trainer/training/local_training.h"
#include "common/model/model_json.h"
#include "networks.h"

namespace consilium::trainer {
namespace {

using nlohmann::json;
using testing::examples_for;
using testing::learning;
using testing::network_of;
using testing::value_of;

/// Every operation that a network computes in bfloat16, or that receives bfloat16, in two and three dimensions.
model::ModelSpec halved_model(std::size_t dimensions) {
  const json up{{"transposed_conv", {{"channels", 8}, {"kernel", 2}}}, {"from", {"small"}}, {"name", "up"}};
  json layers =
      json::array({json{{"conv", {{"channels", 8}, {"kernel", 3}, {"padding", 1}}}, {"name", "wide"}}, "batchnorm",
                   json{{"relu", json::object()}, {"name", "kept"}}, json{{"maxpool", 2}},
                   json{{"groupnorm", 2}, {"name", "small"}}, up,
                   json{{"add", json::object()}, {"from", {"up", "kept"}}, {"name", "sum"}},
                   json{{"concat", json::object()}, {"from", {"sum", "kept"}}}, "instancenorm", json{{"avgpool", 2}},
                   json{{"upsample", 2}}, "global_avgpool", "flatten", json{{"dropout", 0.1}}, json{{"linear", 3}}});
  json input = json::array({2});
  for (std::size_t i = 0; i < dimensions; ++i) input.push_back(8);
  return value_of(model::model_from_json({{"layers", layers}, {"input", input}, {"classes", 3}}));
}

struct PreciseOutcome {
  Trained trained;
  ParameterVector delta;
  std::vector<std::uint64_t> counts;
};

PreciseOutcome run_in(job::Precision precision, const model::ModelSpec& spec) {
  Train order{.site = "north", .round = 1, .seed = 3, .local_epochs = 2, .batch_size = 6, .optimizer = {}};
  order.optimizer.learning_rate = 0.01;
  const auto network = network_of(spec, precision);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  const LearningTask& task = learning(spec.classes);
  const ExampleStore examples = examples_for(spec, 18);
  PreciseOutcome outcome{.trained = {},
                         .delta = ParameterVector(global.size()),
                         .counts = std::vector<std::uint64_t>(task.task().evaluation_elements())};
  outcome.trained = value_of(train(*network, task, examples, order, global, outcome.delta, {}));
  (void)value_of(evaluate(*network, task, examples, 6, global, outcome.counts, {}));
  return outcome;
}

double norm_of(const ParameterVector& vector) {
  double sum = 0.0;
  for (const float value : vector) sum += double{value} * value;
  return std::sqrt(sum);
}

TEST_CASE("in bf16 a network learns nearly what it learns in float32, and the same bytes each time") {
  for (const std::size_t dimensions : {2U, 3U}) {
    CAPTURE(dimensions);
    const model::ModelSpec spec = halved_model(dimensions);
    const PreciseOutcome whole = run_in(job::Precision::kFloat32, spec);
    const PreciseOutcome half = run_in(job::Precision::kBfloat16, spec);
    CHECK(half.trained.mean_loss == Approx(whole.trained.mean_loss).epsilon(0.02));
    CHECK(half.delta != whole.delta);
    ParameterVector difference = half.delta;
    for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= whole.delta[i];
    CHECK(norm_of(difference) < 0.1 * norm_of(whole.delta));
    CHECK(run_in(job::Precision::kBfloat16, spec).delta == half.delta);
    CHECK(half.counts != whole.counts);  // an evaluation also computes in the job's precision
  }
}

TEST_CASE("what a network yields is float32 in either precision") {
  for (const job::Precision precision : {job::Precision::kFloat32, job::Precision::kBfloat16}) {
    const model::ModelSpec spec = halved_model(2);
    const auto network = network_of(spec, precision);
    const at::Tensor batch = at::ones({2, 2, 8, 8}, at::TensorOptions().device(network->device()));
    CHECK(network->forward(batch, Pass{}).front().scalar_type() == at::kFloat);
  }
}

}  // namespace
}  // namespace consilium::trainer
