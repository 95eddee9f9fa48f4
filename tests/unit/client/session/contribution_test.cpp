#include "client/session/contribution.h"

#include <cmath>
#include <limits>

#include "client/session/inseparable.h"
#include "common/encoding/fixed_point.h"
#include "common/task/classification.h"
#include "common/task/score_histogram.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::session;

namespace {

ParameterManifest small_manifest() {
  return ParameterManifest::create({{"fc.weight", {2, 2}, TensorRole::kTrainable, 0, 0},
                                    {"bn.running_mean", {2}, TensorRole::kBuffer, 0, 0},
                                    {"out.bias", {3}, TensorRole::kTrainable, 0, 0}})
      .value();
}

job::RoundOrder train_order(std::uint64_t normaliser, bool with_counts = true) {
  job::RoundOrder order;
  order.kind = job::SumKind::kTrain;
  order.normaliser = normaliser;
  order.layout = encoding::train_layout(small_manifest(), 16.0, 1024.0, {.examples = with_counts}).value();
  return order;
}

std::vector<std::uint64_t> counts_in(const job::RoundOrder& order, std::string_view name,
                                     const std::vector<std::uint32_t>& words) {
  const auto* field = order.layout.find(name);
  REQUIRE(field != nullptr);
  std::vector<std::uint64_t> values(field->elements);
  REQUIRE(encoding::decode_counts(std::span(words).subspan(field->offset, field->words()), *field, values).has_value());
  return values;
}

std::vector<float> floats_in(const job::RoundOrder& order, std::string_view name,
                             const std::vector<std::uint32_t>& words, double divisor) {
  const auto* field = order.layout.find(name);
  REQUIRE(field != nullptr);
  std::vector<float> values(field->elements);
  encoding::decode_fixed_point(std::span(words).subspan(field->offset, field->words()), *field, divisor, values);
  return values;
}

const task::Task& two_classes() {
  static const auto task = task::make_task({}, 2).value();
  return *task;
}

/// A consistent evaluation of two classes: three examples of class 0, one of class 1, and one of class 0 predicted as
/// class 1.
std::vector<std::uint64_t> evaluation_counts() {
  std::vector<std::uint64_t> counts(two_classes().evaluation_elements(), 0);
  counts[0] = 4;
  counts[1] = 5'000'000;
  counts[2] = 2, counts[3] = 1, counts[4] = 0, counts[5] = 1;
  const std::size_t positives = 6;
  const std::size_t negatives = positives + 2 * task::kScoreBins;
  counts[positives + 700] = 3;
  counts[positives + task::kScoreBins + 10] = 1;
  counts[negatives + 5] = 1;
  counts[negatives + task::kScoreBins + 1023] = 3;
  return counts;
}

job::RoundOrder evaluate_order() {
  job::RoundOrder order;
  order.kind = job::SumKind::kEvaluate;
  order.layout = task::evaluate_layout(two_classes()).value();
  return order;
}

}  // namespace

TEST_CASE("a census carries the examples of each split and of each class") {
  job::RoundOrder order;
  order.layout = task::census_layout(two_classes()).value();
  const auto words = census_contribution(order, {70'000, 20, 30, {69'990, 10}});
  REQUIRE(words.has_value());
  CHECK(counts_in(order, encoding::kExamples, *words) == std::vector<std::uint64_t>{70'000, 20, 30});
  CHECK(counts_in(order, encoding::kClassExamples, *words) == std::vector<std::uint64_t>{69'990, 10});
  CHECK_FALSE(census_contribution(order, {10, 0, 0, {1, 2, 7}}).has_value());
  CHECK_FALSE(census_contribution(train_order(1), {10, 0, 0, {5, 5}}).has_value());
}

TEST_CASE("an update is weighted, clipped by role, and carries its loss and counts") {
  const auto order = train_order(100);
  const std::vector<float> delta{1.0F, -2.0F, 20.0F, 0.5F, 500.0F, -3000.0F, 1.0F, 2.0F, -17.0F};
  const auto words = train_contribution(order, small_manifest(), 25, {0.75, 2, false, 1.0}, delta);
  REQUIRE(words.has_value());
  CHECK(words->size() == order.layout.word_count());
  CHECK(floats_in(order, "parameters.0", *words, 0.25) == std::vector<float>{1.0F, -2.0F, 16.0F, 0.5F});
  CHECK(floats_in(order, "parameters.1", *words, 0.25) == std::vector<float>{500.0F, -1024.0F});
  CHECK(floats_in(order, "parameters.2", *words, 0.25) == std::vector<float>{1.0F, 2.0F, -16.0F});
  CHECK(floats_in(order, encoding::kLoss, *words, 0.25) == std::vector<float>{0.75F});
  CHECK(counts_in(order, encoding::kClipped, *words) == std::vector<std::uint64_t>{3});
  CHECK(counts_in(order, encoding::kExamples, *words) == std::vector<std::uint64_t>{25});

  const auto masked = train_order(100, false);
  const std::vector<float> small(delta.size(), 0.5F);
  const auto without = train_contribution(masked, small_manifest(), 25, {1e9, 2, false, 1.0}, small);
  REQUIRE(without.has_value());
  CHECK(masked.layout.find(encoding::kExamples) == nullptr);
  CHECK(floats_in(masked, encoding::kLoss, *without, 0.25) == std::vector<float>{1024.0F});
}

TEST_CASE("of a masked update no trained parameter is clipped: a sum of clipped ones can be taken apart") {
  const auto manifest = ParameterManifest::create({{"m", {500}, TensorRole::kBuffer, 0, 0},
                                                   {"w", {1000}, TensorRole::kTrainable, 0, 0},
                                                   {"v", {500}, TensorRole::kBuffer, 0, 0}})
                            .value();
  job::RoundOrder order = train_order(100);
  const auto contributes = [&](encoding::Extras extras, std::size_t first, std::size_t clipped) {
    order.layout = encoding::train_layout(manifest, 16.0, 1024.0, extras).value();
    std::vector<float> delta(2000, 1.0F);
    std::fill_n(delta.begin() + static_cast<std::ptrdiff_t>(first), clipped, 1025.0F);
    return train_contribution(order, manifest, 25, {0.75, 2, false, 1.0}, delta).has_value();
  };
  const encoding::Extras whole_groups{.examples = true, .unusable = true};
  const encoding::Extras over_survivors{.examples = false};
  for (const encoding::Extras& extras : {whole_groups, over_survivors}) {
    CHECK(contributes(extras, 0, 0));
    for (const std::size_t trained : {500U, 900U, 1499U}) CHECK_FALSE(contributes(extras, trained, 1));
    // A few running statistics of raw values can exceed their clip, all in one direction.
    for (const std::size_t running : {0U, 1500U}) {
      CHECK(contributes(extras, running, 3));
      CHECK_FALSE(contributes(extras, running, 4));
    }
    CHECK_FALSE(contributes(extras, 498, 3));
  }
  CHECK(contributes({.examples = true}, 0, 2000));  // the coordinator sees a plain update in the clear
}

/// Returns an update whose sizes are spread as in training, except for `alike` coordinates in a hundred, which have
/// `levels`.
std::vector<float> update_of(std::size_t alike, std::size_t levels) {
  std::vector<float> delta(2'500'000);
  for (std::size_t i = 0; i < delta.size(); ++i) {
    const float sign = i % 3 == 0 ? -0.001F : 0.001F;
    const float level = static_cast<float>(1 + i % levels) * (1.0F + 0.0001F * static_cast<float>(i % 7));
    delta[i] = sign * (i % 100 < alike ? level : 1.5F + static_cast<float>(i % 997));
  }
  return delta;
}

TEST_CASE("a masked update whose changes have few sizes is refused: signs and weights would show in a sum") {
  const auto manifest = ParameterManifest::create({{"w", {2'500'000}, TensorRole::kTrainable, 0, 0}}).value();
  std::vector<float> global(2'500'000);
  for (std::size_t i = 0; i < global.size(); ++i) global[i] = static_cast<float>(i % 89) * 0.001F - 0.04F;
  job::RoundOrder order = train_order(100);
  order.batch_size = 25;
  order.local_epochs = 1;
  const auto passes = [&](encoding::Extras extras, const std::vector<float>& delta) {
    order.layout = encoding::train_layout(manifest, 16.0, 1024.0, extras).value();
    return check_inseparable(order, manifest, {}, 25, global, delta).has_value();
  };
  for (const encoding::Extras extras : {encoding::Extras{.examples = true, .unusable = true}, encoding::Extras{}}) {
    CHECK(passes(extras, update_of(20, 1)));
    CHECK_FALSE(passes(extras, update_of(30, 1)));
    CHECK_FALSE(passes(extras, update_of(100, 1)));
    CHECK_FALSE(passes(extras, update_of(90, 12)));
    // The part of the public model that AdamW subtracts hides no size.
    order.optimizer = {job::OptimizerKind::kAdamW, 0.001, 0.0, 10.0};
    std::vector<float> decayed = update_of(100, 1);
    for (std::size_t i = 0; i < decayed.size(); ++i) decayed[i] -= 0.01F * global[i];
    CHECK_FALSE(passes(extras, decayed));
    order.optimizer.kind = job::OptimizerKind::kAdam;
    CHECK(passes(extras, decayed));
    // Every value beyond the clip has the clip's size.
    std::vector<float> large = update_of(0, 1);
    for (float& value : large) value *= 1e6F;
    CHECK_FALSE(passes(extras, large));
    // Rounded to so few units that they reveal little about a weight.
    std::vector<float> small = update_of(100, 1);
    for (float& value : small) value *= 1e-4F;
    CHECK(passes(extras, small));
  }
  CHECK(passes({.examples = true}, update_of(100, 1)));  // the coordinator sees a plain update in the clear
}

TEST_CASE("what AdamW takes away of a layer with a learning rate of its own hides no size") {
  constexpr std::size_t kEach = 20'000;
  std::vector<TensorInfo> tensors{{"a.weight", {kEach}, TensorRole::kTrainable, 0, 0},
                                  {"b.weight", {kEach}, TensorRole::kTrainable, 0, 0},
                                  {"b.running_mean", {kEach}, TensorRole::kBuffer, 0, 0}};
  const auto manifest = ParameterManifest::create(std::move(tensors)).value();
  job::RoundOrder order = train_order(100);
  order.batch_size = 25;
  order.local_epochs = 1;
  order.optimizer = {job::OptimizerKind::kAdamW, 0.001, 0.0, 10.0};  // one step subtracts 1 %, or 4 %
  order.layout = encoding::train_layout(manifest, 16.0, 1024.0, {}).value();
  std::vector<float> global(manifest.parameter_count());
  for (std::size_t i = 0; i < global.size(); ++i) global[i] = static_cast<float>(i % 89) * 0.01F - 0.4F;
  std::vector<float> delta(global.size(), 0.001F);
  for (std::size_t i = 0; i < kEach; ++i) delta[i] -= 0.01F * global[i];
  for (std::size_t i = kEach; i < 2 * kEach; ++i) delta[i] -= 0.04F * global[i];
  CHECK_FALSE(check_inseparable(order, manifest, {{"b", 4.0}}, 25, global, delta));
  // AdamW subtracts nothing from running statistics, so the check must add nothing to them.
  for (std::size_t i = 0; i < 2 * kEach; ++i) delta[i] = 0.001F * static_cast<float>(1 + i % 9973);
  CHECK_FALSE(check_inseparable(order, manifest, {}, 25, global, delta));
  for (std::size_t i = 2 * kEach; i < delta.size(); ++i) delta[i] = 0.001F * static_cast<float>(1 + i % 9973);
  CHECK(check_inseparable(order, manifest, {}, 25, global, delta));
}

TEST_CASE("few sizes are found in every other place of a row, too") {
  constexpr std::size_t kParameters = 1'500'000;  // every second one of these would be enough as a sample
  const auto manifest = ParameterManifest::create({{"w", {kParameters}, TensorRole::kTrainable, 0, 0}}).value();
  job::RoundOrder order = train_order(100);
  order.batch_size = 25;
  order.local_epochs = 1;
  order.layout = encoding::train_layout(manifest, 16.0, 1024.0, {}).value();
  const std::vector<float> global(kParameters);
  for (const std::size_t few : {0U, 1U}) {
    std::vector<float> delta(kParameters);
    for (std::size_t i = 0; i < delta.size(); ++i)
      delta[i] = i % 2 == few ? 0.5F : 0.01F + static_cast<float>(i % 9973) * 1e-4F;
    CHECK_FALSE(check_inseparable(order, manifest, {}, 25, global, delta));
  }
}

/// fc.weight and bn.running_mean of small_manifest() are frozen; only out.bias is trained.
ParameterManifest mostly_frozen() {
  std::vector<TensorInfo> tensors = small_manifest().tensors();
  tensors[0].frozen = tensors[1].frozen = true;
  return ParameterManifest::create(std::move(tensors)).value();
}

TEST_CASE("an update holds nothing of what is frozen, whatever the trainer wrote there") {
  const ParameterManifest manifest = mostly_frozen();
  job::RoundOrder order = train_order(100);
  order.layout = encoding::train_layout(manifest, 16.0, 1024.0, {.examples = true, .unusable = true}).value();
  CHECK(order.layout.word_count() + 6 ==
        encoding::train_layout(small_manifest(), 16.0, 1024.0, {.examples = true, .unusable = true})->word_count());
  std::vector<float> delta(9, 0.0F);
  const auto words_of = [&] { return train_contribution(order, manifest, 25, {0.75, 2, false, 1.0}, delta); };
  delta[6] = 1.0F, delta[7] = 2.0F, delta[8] = -3.0F;
  const auto honest = words_of().value();
  CHECK(honest.size() == order.layout.word_count());
  CHECK(floats_in(order, "parameters.0", honest, 0.25) == std::vector<float>{1.0F, 2.0F, -3.0F});
  CHECK(order.layout.find("parameters.1") == nullptr);
  // Frozen values are neither sent nor checked: a NaN there causes no refusal, and a large change doesn't count as
  // clipped.
  delta[0] = std::numeric_limits<float>::quiet_NaN();
  delta[3] = 1e9F;
  delta[5] = -5.0F;
  CHECK(words_of().value() == honest);
  CHECK(counts_in(order, encoding::kClipped, honest) == std::vector<std::uint64_t>{0});
  delta[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(words_of().error().message == "the update's parameter 'out.bias' is NaN at element 1");
  delta[7] = 17.0F;  // beyond the clip: frozen coordinates don't count in the share of coordinates that may exceed it
  CHECK(words_of().error().message.starts_with("1 of the update's 3 coordinates exceed the clip, including 1 trained"));
  CHECK_FALSE(train_contribution(order, small_manifest(), 25, {}, delta).has_value());  // an order of another model
}

TEST_CASE("few sizes are told in what is trained alone: frozen tensors neither hide nor make them") {
  constexpr std::size_t kFrozen = 60'001;
  constexpr std::size_t kTrained = 20'000;
  std::vector<TensorInfo> tensors{{"w", {kFrozen}, TensorRole::kTrainable, 0, 0},
                                  {"v", {kTrained}, TensorRole::kTrainable, 0, 0}};
  tensors[0].frozen = true;
  const auto manifest = ParameterManifest::create(std::move(tensors)).value();
  job::RoundOrder order = train_order(100);
  order.layout = encoding::train_layout(manifest, 16.0, 1024.0, {}).value();
  const std::vector<float> global(manifest.parameter_count());
  std::vector<float> delta(manifest.parameter_count());
  for (std::size_t i = 0; i < delta.size(); ++i) delta[i] = 0.01F + static_cast<float>(i % 9973) * 1e-4F;
  std::fill_n(delta.begin() + kFrozen, kTrained, 0.5F);
  CHECK_FALSE(check_inseparable(order, manifest, {}, 25, global, delta));
  std::fill_n(delta.begin(), kFrozen, 0.5F);
  for (std::size_t i = kFrozen; i < delta.size(); ++i) delta[i] = 0.01F + static_cast<float>(i % 9973) * 1e-4F;
  CHECK(check_inseparable(order, manifest, {}, 25, global, delta));
  CHECK(check_inseparable(order, manifest, {}, 25, std::span(global).first(5), delta).error().code ==
        ErrorCode::kInternal);
}

TEST_CASE("an update takes an earlier one's memory, and nothing of what stood there") {
  const job::RoundOrder order = train_order(10);
  const std::vector<float> delta(small_manifest().parameter_count(), 0.25F);
  const trainer::Trained trained{1.0, 1, false, 0.1};
  const auto fresh = train_contribution(order, small_manifest(), 5, trained, delta).value();
  std::vector<std::uint32_t> memory(GENERATE(0U, 3U, 1000U), 0xABCDEF01U);
  memory.reserve(1000);
  const std::uint32_t* address = memory.data();
  const auto reused = train_contribution(order, small_manifest(), 5, trained, delta, std::move(memory)).value();
  CHECK(reused == fresh);
  CHECK(reused.data() == address);
}

TEST_CASE("an update in pieces has the words of one that is whole, for however many threads") {
  const auto manifest = ParameterManifest::create(
                            {{"w", {700, 300}, TensorRole::kTrainable, 0, 0}, {"m", {99}, TensorRole::kBuffer, 0, 0}})
                            .value();
  job::RoundOrder order = train_order(10, false);
  order.layout = encoding::train_layout(manifest, 16.0, 1024.0, {.examples = false}).value();
  std::vector<float> delta(manifest.parameter_count());
  for (std::size_t i = 0; i < delta.size(); ++i) delta[i] = static_cast<float>(i % 1000) * 0.03F - 15.0F;
  const trainer::Trained trained{1.0, 1, false, 0.1};
  std::vector<std::uint32_t> words;
  const auto collect = [&words](std::span<std::uint32_t> piece) -> Result<void> {
    words.insert(words.end(), piece.begin(), piece.end());
    return {};
  };
  REQUIRE(stream_train_contribution(order, manifest, 5, trained, delta, collect, GENERATE(1U, 3U)).has_value());
  CHECK(words == train_contribution(order, manifest, 5, trained, delta).value());
}

TEST_CASE("an update with NaN or infinity is refused, its parameter named") {
  std::vector<float> delta(9, 0.0F);
  delta[5] = std::numeric_limits<float>::quiet_NaN();
  const auto nan = train_contribution(train_order(9), small_manifest(), 1, {}, delta);
  REQUIRE_FALSE(nan.has_value());
  CHECK(nan.error().code == ErrorCode::kInvalidArgument);
  CHECK(nan.error().message == "the update's parameter 'bn.running_mean' is NaN at element 1");
  delta[5] = -std::numeric_limits<float>::infinity();
  CHECK(train_contribution(train_order(9), small_manifest(), 1, {}, delta).error().message ==
        "the update's parameter 'bn.running_mean' is infinite at element 1");
  // A site without examples has no weight, and still must not send NaN.
  CHECK_FALSE(train_contribution(train_order(9), small_manifest(), 0, {}, delta).has_value());
  delta[5] = 0.0F;
  CHECK(train_contribution(train_order(9), small_manifest(), 0, {}, delta).has_value());
  CHECK_FALSE(
      train_contribution(train_order(9), small_manifest(), 1, {std::nan(""), 1, false, 0.0}, delta).has_value());
}

TEST_CASE("an update that does not fit its order is refused") {
  const std::vector<float> delta(9, 0.0F);
  CHECK(train_contribution(train_order(9), small_manifest(), 10, {}, delta).error().code ==
        ErrorCode::kFailedPrecondition);
  CHECK_FALSE(train_contribution(train_order(0), small_manifest(), 0, {}, delta).has_value());
  CHECK_FALSE(train_contribution(train_order(9), small_manifest(), 1, {}, std::span(delta).first(8)).has_value());
  auto order = train_order(9);
  auto fields = order.layout.fields();
  SECTION("a field that nobody knows") { fields.push_back(encoding::count_field("pixels", 1, 9)); }
  SECTION("too many parameters") { fields.push_back(encoding::fixed_point_field("parameters.3", 1, 16.0)); }
  SECTION("too few parameters") { fields.erase(fields.begin()); }
  order.layout = encoding::VectorLayout::create(fields).value();
  CHECK_FALSE(train_contribution(order, small_manifest(), 1, {}, delta).has_value());
}

TEST_CASE("a masked site with more examples than N doesn't show that it has: its weight ends at 1") {
  const job::RoundOrder order = train_order(9, false);
  const std::vector<float> delta(small_manifest().parameter_count(), 0.25F);
  const trainer::Trained trained{1.0, 1, false, 0.1};
  const auto all = train_contribution(order, small_manifest(), 9, trained, delta).value();
  CHECK(train_contribution(order, small_manifest(), 10, trained, delta).value() == all);
  CHECK(train_contribution(order, small_manifest(), 9'000'000, trained, delta).value() == all);
  CHECK(train_contribution(order, small_manifest(), 8, trained, delta).value() != all);
}

TEST_CASE("an evaluation's counts travel as they are") {
  const auto order = evaluate_order();
  const auto counts = evaluation_counts();
  const auto words = evaluate_contribution(order, two_classes(), counts);
  REQUIRE(words.has_value());
  CHECK(counts_in(order, encoding::kExamples, *words)[0] == 4);
  CHECK(counts_in(order, encoding::kLoss, *words)[0] == 5'000'000);
  CHECK(counts_in(order, task::kConfusion, *words) == std::vector<std::uint64_t>{2, 1, 0, 1});
  CHECK(counts_in(order, task::kNegatives, *words)[task::kScoreBins + 1023] == 3);
  CHECK(evaluate_contribution(order, two_classes(), std::vector<std::uint64_t>(counts.size(), 0)).has_value());
}

TEST_CASE("the counts of a site's own model travel beside the federation's, or as zeros") {
  job::RoundOrder order = evaluate_order();
  order.layout = task::evaluate_layout(two_classes(), {.unusable = true, .alone = true}).value();
  auto counts = evaluation_counts();
  const std::size_t elements = counts.size();
  CHECK_FALSE(evaluate_contribution(order, two_classes(), counts));
  counts.resize(2 * elements);
  const auto without = evaluate_contribution(order, two_classes(), counts);
  REQUIRE(without);
  CHECK_FALSE(task::alone_metrics_from_words(two_classes(), order.layout, *without).value());
  const auto own = evaluation_counts();
  std::ranges::copy(own, counts.begin() + static_cast<std::ptrdiff_t>(elements));
  counts[elements + 1] = 9'000'000;  // another loss
  const auto with = evaluate_contribution(order, two_classes(), counts);
  REQUIRE(with);
  const auto alone = task::alone_metrics_from_words(two_classes(), order.layout, *with).value();
  REQUIRE(alone);
  CHECK(alone->value_of("loss") == Approx(9'000'000 / task::kUnit / 4));
  CHECK(task::metrics_from_words(two_classes(), order.layout, *with).value() ==
        task::metrics_from_words(two_classes(), order.layout, *without).value());
  ++counts[elements + 2];
  CHECK_FALSE(evaluate_contribution(order, two_classes(), counts));
  CHECK_FALSE(task::alone_metrics_from_words(two_classes(), evaluate_order().layout,
                                             evaluate_contribution(evaluate_order(), two_classes(), own).value())
                  .value());
}

TEST_CASE("an evaluation that contradicts itself is refused") {
  const auto order = evaluate_order();
  const auto counts = evaluation_counts();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (i == 1) continue;  // any loss is possible
    for (const std::uint64_t wrong : {counts[i] + 1, ~std::uint64_t{0}}) {
      auto bad = counts;
      bad[i] = wrong;
      if (evaluate_contribution(order, two_classes(), bad).has_value()) FAIL("accepted a wrong count at " << i);
    }
  }
  auto swapped = counts;
  std::swap(swapped[2], swapped[5]);
  CHECK_FALSE(evaluate_contribution(order, two_classes(), swapped).has_value());
  CHECK_FALSE(evaluate_contribution(order, two_classes(), std::span(counts).first(counts.size() - 1)).has_value());
  auto longer = counts;
  longer.push_back(0);
  CHECK_FALSE(evaluate_contribution(order, two_classes(), longer).has_value());
  std::vector<std::uint64_t> only_loss(counts.size(), 0);
  only_loss[1] = 7;
  CHECK_FALSE(evaluate_contribution(order, two_classes(), only_loss).has_value());
}
