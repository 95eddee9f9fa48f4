#include "client/trainer/training/local_training.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "client/trainer/models/torch_errors.h"
#include "networks.h"

namespace consilium::trainer {
namespace {

using testing::examples_for;
using testing::learning;
using testing::network_of;
using testing::small_model;
using testing::value_of;

Train request(std::uint32_t epochs, std::uint32_t batch) {
  Train train{.site = "north", .round = 3, .seed = 11, .local_epochs = epochs, .batch_size = batch, .optimizer = {}};
  train.optimizer.learning_rate = 0.1;
  return train;
}

struct Outcome {
  Trained trained;
  ParameterVector delta;
};

Outcome run(const model::ModelSpec& spec, const Train& order, std::int64_t examples, const Hooks& hooks = {}) {
  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  Outcome outcome{.trained = {}, .delta = ParameterVector(global.size())};
  outcome.trained = value_of(train(*network, learning(network->spec().classes), examples_for(spec, examples), order,
                                   global, outcome.delta, hooks));
  return outcome;
}

/// A clock that advances by a second at each reading.
Hooks ticking() {
  auto ticks = std::make_shared<int>(0);
  Hooks hooks;
  hooks.now = [ticks] { return std::chrono::steady_clock::time_point(std::chrono::seconds(++*ticks)); };
  return hooks;
}

model::ModelSpec model_with_everything() {
  model::ModelSpec spec;
  spec.layers = {model::Conv{.out_channels = 40, .kernel = {3}, .padding = {1}},
                 model::BatchNorm{},
                 model::Relu{},
                 model::MaxPool{.kernel = {2}, .stride = {2}},
                 model::Conv{.out_channels = 8, .kernel = {3}},
                 model::Flatten{},
                 model::Dropout{.probability = 0.4},
                 model::Linear{.out_features = 3}};
  spec.input = {1, 8, 8};
  spec.classes = 3;
  return spec;
}

TEST_CASE("the same request gives the same bytes, from a fresh network and from a used one") {
  const model::ModelSpec spec = model_with_everything();
  Train order = request(3, 4);
  order.optimizer.momentum = 0.9;
  order.optimizer.learning_rate = 0.01;
  const Outcome first = run(spec, order, 18);
  const Outcome second = run(spec, order, 18);
  CHECK(first.delta == second.delta);
  CHECK(first.trained.mean_loss == second.trained.mean_loss);

  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  ParameterVector delta(global.size());
  const ExampleStore examples = examples_for(spec, 18);
  for (int repeat = 0; repeat < 2; ++repeat) {
    (void)value_of(train(*network, learning(network->spec().classes), examples, order, global, delta, {}));
    CHECK(delta == first.delta);
  }
}

TEST_CASE("site and round steer shuffling and dropout") {
  const model::ModelSpec spec = model_with_everything();
  const Outcome base = run(spec, request(1, 4), 18);
  Train other = request(1, 4);
  other.site = "south";
  CHECK(run(spec, other, 18).delta != base.delta);
  other = request(1, 4);
  other.round = 4;
  CHECK(run(spec, other, 18).delta != base.delta);
}

TEST_CASE("the delta carries batch norm's running statistics") {
  const model::ModelSpec spec = model_with_everything();
  const Outcome outcome = run(spec, request(1, 18), 18);
  const ParameterManifest manifest = value_of(model::build_manifest(spec));
  for (const TensorInfo& tensor : manifest.tensors()) {
    const auto begin = outcome.delta.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
    CAPTURE(tensor.name);
    CHECK(std::any_of(begin, begin + static_cast<std::ptrdiff_t>(tensor.size),
                      [](float value) { return value != 0.0F; }));
  }
}

TEST_CASE("dropout needs its own draws: without it the outcome differs") {
  model::ModelSpec with = model_with_everything();
  model::ModelSpec without = with;
  std::get<model::Dropout>(without.layers[6].operation).probability = 0.0;
  CHECK(run(with, request(1, 4), 18).delta != run(without, request(1, 4), 18).delta);
}

TEST_CASE("a last batch of one example passes through a batch norm of features") {
  model::ModelSpec spec;
  spec.layers = {model::Linear{.out_features = 4}, model::BatchNorm{}, model::Relu{}, model::Linear{.out_features = 2}};
  spec.input = {3};
  spec.classes = 2;
  const Outcome outcome = run(spec, request(2, 4), 9);
  for (const float value : outcome.delta) {
    REQUIRE(std::isfinite(value));
  }
}

TEST_CASE("a clipped step of SGD is as long as the clip says, in the gradient's direction, and a short one stays") {
  const model::ModelSpec spec = small_model();
  const auto step_of = [&](double clip) {
    Train order = request(1, 6);
    order.gradient_clip = clip;
    return run(spec, order, 6).delta;
  };
  const auto norm_of = [](const ParameterVector& values) {
    double square = 0.0;
    for (const float value : values) square += static_cast<double>(value) * static_cast<double>(value);
    return std::sqrt(square);
  };
  const ParameterVector whole = step_of(0.0);
  const double gradient = norm_of(whole) / 0.1;  // the learning rate
  CHECK(step_of(2.0 * gradient) == whole);
  const ParameterVector clipped = step_of(0.25 * gradient);
  CHECK(norm_of(clipped) == Approx(0.25 * norm_of(whole)).epsilon(1e-4));
  for (std::size_t i = 0; i < whole.size(); ++i)
    CHECK(static_cast<double>(clipped[i]) == Approx(0.25 * static_cast<double>(whole[i])).epsilon(1e-3).margin(1e-7));
}

TEST_CASE("the proximal term pulls towards the global model as in equation 2 of Li et al.") {
  const model::ModelSpec spec = small_model();
  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  const ExampleStore examples = examples_for(spec, 6);
  const auto trained = [&](std::uint32_t epochs, double mu, const ParameterVector& from) {
    Train order = request(epochs, 6);
    order.proximal_mu = mu;
    ParameterVector delta(from.size());
    (void)value_of(train(*network, learning(network->spec().classes), examples, order, from, delta, {}));
    return delta;
  };
  const double mu = 0.5;
  const ParameterVector one = trained(1, mu, global);
  CHECK(one == trained(1, 0.0, global));  // the first step starts at the global model, so nothing pulls it back
  ParameterVector middle(global.size());
  for (std::size_t i = 0; i < middle.size(); ++i) {
    middle[i] = global[i] + one[i];
  }
  const ParameterVector plain_second = trained(1, 0.0, middle);
  const ParameterVector two = trained(2, mu, global);
  for (std::size_t i = 0; i < two.size(); ++i) {
    const double pull = -0.1 * mu * static_cast<double>(one[i]);
    const double expected = static_cast<double>(one[i]) + static_cast<double>(plain_second[i]) + pull;
    CHECK(static_cast<double>(two[i]) == Approx(expected).margin(2e-7));
  }
}

TEST_CASE("a time limit ends training with what is done by then") {
  Train order = request(5, 4);
  order.time_limit_ms = 3000;
  Hooks hooks = ticking();
  std::uint64_t steps = 0;
  hooks.progress = [&](const Progress& progress) { steps = progress.steps_done; };
  const Outcome outcome = run(small_model(), order, 8, hooks);
  CHECK(outcome.trained.partial);
  CHECK(steps == 3);
  CHECK(outcome.trained.epochs_done == 1);  // three steps of two in each epoch
  CHECK(std::any_of(outcome.delta.begin(), outcome.delta.end(), [](float value) { return value != 0.0F; }));
}

TEST_CASE("a limit that is hit by the last step makes nothing partial") {
  Train order = request(1, 4);
  order.time_limit_ms = 2000;
  const Outcome outcome = run(small_model(), order, 8, ticking());
  CHECK_FALSE(outcome.trained.partial);
  CHECK(outcome.trained.epochs_done == 1);
}

TEST_CASE("a loss that becomes NaN fails with round, epoch and step") {
  const model::ModelSpec spec = small_model();
  const auto network = network_of(spec);
  ParameterVector global = value_of(model::initial_weights(spec, 5));
  global[0] = std::numeric_limits<float>::quiet_NaN();
  ParameterVector delta(global.size());
  const auto outcome =
      train(*network, learning(network->spec().classes), examples_for(spec, 8), request(1, 4), global, delta, {});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kInvalidArgument);
  CHECK(outcome.error().message.find("round 3: loss became NaN in epoch 1, step 1") == 0);
}

TEST_CASE("a learning rate that explodes fails in the step where it shows") {
  const model::ModelSpec spec = small_model();
  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  ParameterVector delta(global.size());
  Train order = request(3, 4);
  order.optimizer.learning_rate = 1e30;
  const auto outcome =
      train(*network, learning(network->spec().classes), examples_for(spec, 8), order, global, delta, {});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().message.find("in epoch") != std::string::npos);
}

TEST_CASE("a NaN in an image goes through relu and max-pool to the loss") {
  model::ModelSpec spec = model_with_everything();
  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  at::Tensor images = at::zeros({4, 64});
  images[2][17] = std::numeric_limits<float>::quiet_NaN();
  const ExampleStore examples =
      value_of(ExampleStore::create(images, at::zeros({4}, at::kLong), spec.input, {}, testing::test_device()));
  ParameterVector delta(global.size());
  const auto outcome = train(*network, learning(network->spec().classes), examples, request(1, 4), global, delta, {});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().message.find("NaN") != std::string::npos);
}

TEST_CASE("training can be cancelled between two batches") {
  const model::ModelSpec spec = small_model();
  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  ParameterVector delta(global.size());
  std::uint64_t steps = 0;
  Hooks hooks;
  hooks.progress = [&](const Progress& progress) { steps = progress.steps_done; };
  hooks.cancelled = [&] { return steps == 3; };
  const auto outcome =
      train(*network, learning(network->spec().classes), examples_for(spec, 40), request(1, 4), global, delta, hooks);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kCancelled);
  CHECK(steps == 3);
}

TEST_CASE("progress counts the steps of all epochs, short batches included") {
  std::vector<std::uint64_t> seen;
  Hooks hooks;
  std::uint64_t total = 0;
  hooks.progress = [&](const Progress& progress) {
    seen.push_back(progress.steps_done);
    total = progress.steps_total;
  };
  (void)run(small_model(), request(2, 4), 9, hooks);
  CHECK(seen == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6});
  CHECK(total == 6);
}

TEST_CASE("a site without examples returns a delta of zero") {
  const Outcome outcome = run(small_model(), request(2, 4), 0);
  CHECK(outcome.delta == ParameterVector(outcome.delta.size(), 0.0F));
  CHECK(outcome.trained.epochs_done == 2);
  CHECK(outcome.trained.mean_loss == 0.0);
}

std::unique_ptr<const LearningTask> learning_by(const task::LossSpec& loss, std::int64_t classes) {
  return value_of(make_learning_task(value_of(task::make_task({}, static_cast<std::uint64_t>(classes))), loss, {}));
}

Outcome run_by(const task::LossSpec& loss, std::uint32_t epochs) {
  const model::ModelSpec spec = model_with_everything();
  const auto network = network_of(spec);
  const ParameterVector global = value_of(model::initial_weights(spec, 5));
  Outcome outcome{.trained = {}, .delta = ParameterVector(global.size())};
  outcome.trained = value_of(
      train(*network, *learning_by(loss, 3), examples_for(spec, 30), request(epochs, 8), global, outcome.delta, {}));
  return outcome;
}

TEST_CASE("a loss whose gradient comes from autograd trains as the kernel does") {
  task::LossSpec ones;
  ones.class_weights = {1.0, 1.0, 1.0};
  const Outcome kernel = run_by({}, 2);
  const Outcome autograd = run_by(ones, 2);
  CHECK(autograd.trained.mean_loss == Approx(kernel.trained.mean_loss).epsilon(1e-4));
  double largest = 0.0;
  for (std::size_t i = 0; i < kernel.delta.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(kernel.delta[i] - autograd.delta[i])));
  CHECK(largest < 1e-4);
  CHECK(run_by(ones, 2).delta == autograd.delta);  // bit for bit
}

TEST_CASE("every loss of a classification is what training brings down") {
  for (const auto kind : task::losses_of(task::TaskKind::kClassification)) {
    task::LossSpec loss;
    loss.kind = kind;
    loss.class_weights = {1.0, 0.5, 2.0};
    CHECK(run_by(loss, 30).trained.mean_loss < 0.8 * run_by(loss, 1).trained.mean_loss);
  }
}

TEST_CASE("memory that runs out is a failure that says so") {
  const auto outcome =
      without_exceptions("round 3", []() -> Result<at::Tensor> { return at::empty({std::int64_t{1} << 46}); });
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kResourceExhausted);
  CHECK(outcome.error().message.find("round 3: out of memory") == 0);
  CHECK(outcome.error().message.find("\n") == std::string::npos);
}

TEST_CASE("a card's lack of memory is told from how its libraries put it") {
  for (const char* said : {"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                           "NVML_SUCCESS == DriverAPI::get()->nvmlInit_v2_() INTERNAL ASSERT FAILED at "
                           "\"CUDACachingAllocator.cpp\":1131"}) {
    const auto outcome = without_exceptions("round 3", [&]() -> Result<void> { TORCH_CHECK(false, said); });
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::kResourceExhausted);
  }
  const auto other = without_exceptions("round 3", []() -> Result<void> { TORCH_CHECK(false, "shapes differ"); });
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::kInternal);
}

TEST_CASE("vectors of another length are refused") {
  const auto network = network_of(small_model());
  ParameterVector global(network->manifest().parameter_count());
  ParameterVector delta(global.size() - 1);
  const auto outcome = train(*network, learning(network->spec().classes), examples_for(small_model(), 4), request(1, 4),
                             global, delta, {});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace consilium::trainer
