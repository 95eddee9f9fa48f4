// The guarantees of every strategy of means.
#include <cmath>

#include "common/aggregation/strategy.h"
#include "common/job/strategies.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::aggregation;

namespace {

std::unique_ptr<MeanStrategy> every_strategy() {
  const std::span<const job::StrategyTraits> known = job::strategies();
  const auto index = GENERATE_COPY(range(std::size_t{0}, known.size()));
  job::StrategySpec spec;
  spec.kind = known[index].kind;
  for (const job::StrategyParameter& parameter : known[index].parameters) spec.*parameter.value = 1.0;
  return make_strategy(spec);
}

}  // namespace

TEST_CASE("a mean of zeros leaves the model as it is") {
  const auto strategy = every_strategy();
  const std::vector<float> before = {1.5f, -3e-20f, 0.0f, 1e30f};
  std::vector<float> model = before;
  ServerState state;
  REQUIRE(strategy->apply(std::vector<float>(4, 0.0f), model, model, state).has_value());
  CHECK(model == before);
}

TEST_CASE("the first round moves the model by the mean delta") {
  const auto strategy = every_strategy();
  std::vector<float> model = {1.0f, 2.0f, -4.0f};
  ServerState state;
  REQUIRE(strategy->apply(std::vector<float>{0.5f, -0.25f, 4.0f}, model, model, state).has_value());
  CHECK(model == std::vector<float>{1.5f, 1.75f, 0.0f});
}

TEST_CASE("the same inputs and state give the same model and state") {
  const auto strategy = every_strategy();
  std::vector<float> delta(5000), first(5000), second(5000);
  for (std::size_t i = 0; i < delta.size(); ++i) {
    delta[i] = std::sin(static_cast<float>(i));
    first[i] = second[i] = std::cos(static_cast<float>(i));
  }
  ServerState first_state, second_state;
  for (int round = 0; round < 3; ++round) {
    REQUIRE(strategy->apply(delta, first, first, first_state).has_value());
    REQUIRE(strategy->apply(delta, second, second, second_state).has_value());
  }
  CHECK(first == second);
  CHECK(first_state == second_state);
}

TEST_CASE("a mean of another size is refused and changes nothing") {
  const auto strategy = every_strategy();
  std::vector<float> model = {1.0f, 2.0f};
  ServerState state;
  CHECK_FALSE(strategy->apply(std::vector<float>{1.0f}, model, model, state).has_value());
  CHECK_FALSE(strategy->apply(std::vector<float>{1.0f, 1.0f, 1.0f}, model, model, state).has_value());
  CHECK(model == std::vector<float>{1.0f, 2.0f});
}

TEST_CASE("a strategy changes what updates hold, and leaves frozen tensors bit for bit") {
  const auto strategy = every_strategy();
  std::vector<TensorInfo> tensors{{"a", {2}, TensorRole::kTrainable, 0, 0},
                                  {"b", {3}, TensorRole::kTrainable, 0, 0},
                                  {"c", {1}, TensorRole::kBuffer, 0, 0}};
  tensors[1].frozen = true;
  const auto manifest = ParameterManifest::create(tensors).value();
  const std::vector<float> delta = {0.5f, -0.25f, 4.0f};
  std::vector<float> model = {1.0f, 2.0f, -0.0f, 1e-42f, 7.0f, -4.0f};
  ServerState state;
  std::vector<float> elsewhere(6, 9.0f);
  ServerState elsewhere_state;
  REQUIRE(apply_update(*strategy, manifest, delta, model, elsewhere, elsewhere_state).has_value());
  REQUIRE(apply_update(*strategy, manifest, delta, model, model, state).has_value());
  CHECK(elsewhere == model);
  CHECK(elsewhere_state == state);
  CHECK(model == std::vector<float>{1.5f, 1.75f, -0.0f, 1e-42f, 7.0f, 0.0f});
  CHECK(std::signbit(model[2]));
  // Returns the same result as the strategy gives for the remaining tensors.
  std::vector<float> alone = {1.0f, 2.0f, -4.0f};
  ServerState alone_state;
  REQUIRE(strategy->apply(delta, alone, alone, alone_state).has_value());
  CHECK(alone == std::vector<float>{model[0], model[1], model[5]});
  CHECK(state == alone_state);

  const std::vector<float> before = model;
  CHECK_FALSE(apply_update(*strategy, manifest, std::vector<float>(6), model, model, state).has_value());
  CHECK_FALSE(apply_update(*strategy, manifest, std::vector<float>(2), model, model, state).has_value());
  CHECK_FALSE(apply_update(*strategy, manifest, delta, std::span(model).first(3), model, state).has_value());
  CHECK_FALSE(apply_update(*strategy, manifest, delta, model, std::span(model).first(3), state).has_value());
  CHECK(model == before);
}
