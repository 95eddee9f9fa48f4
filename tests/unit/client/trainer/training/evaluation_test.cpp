#include "client/trainer/training/evaluation.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "common/task/score_histogram.h"
#include "networks.h"

namespace consilium::trainer {
namespace {

using testing::examples_for;
using testing::learning;
using testing::network_of;
using testing::small_model;
using testing::value_of;

model::ModelSpec four_classes() {
  model::ModelSpec spec = small_model();
  std::get<model::Linear>(spec.layers[2].operation).out_features = 4;
  spec.classes = 4;
  return spec;
}

/// The counts by their definition, from softmax in long double.
std::vector<std::uint64_t> reference(const at::Tensor& logits, const at::Tensor& labels, std::size_t classes) {
  std::vector<std::uint64_t> counts(learning(static_cast<std::int64_t>(classes)).task().evaluation_elements(), 0);
  long double loss = 0;
  for (std::int64_t i = 0; i < logits.size(0); ++i) {
    const auto truth = static_cast<std::size_t>(labels[i].item<std::int64_t>());
    std::vector<long double> p(classes);
    std::size_t best = 0;
    long double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      p[c] = std::exp(static_cast<long double>(logits[i][static_cast<std::int64_t>(c)].item<float>()));
      sum += p[c];
      best = p[c] > p[best] ? c : best;
    }
    loss -= std::log(p[truth] / sum);
    counts[0] += 1;
    counts[2 + truth * classes + best] += 1;
    for (std::size_t c = 0; c < classes; ++c) {
      const long double others = sum - p[c];
      const long double score = std::min<long double>(16, std::max<long double>(-16, std::log(p[c] / others)));
      const auto bin = std::min<std::size_t>(1023, static_cast<std::size_t>(std::floor((score + 16) / 32 * 1024)));
      counts[2 + classes * classes + (c == truth ? 0 : classes * 1024) + c * 1024 + bin] += 1;
    }
  }
  counts[1] = static_cast<std::uint64_t>(std::llround(loss * 1048576.0L));
  return counts;
}

TEST_CASE("evaluation counts agree with their definition") {
  const model::ModelSpec spec = four_classes();
  const auto network = network_of(spec);
  ParameterVector weights = value_of(model::initial_weights(spec, 5));
  for (float& weight : weights) {
    weight *= 4.0F;  // spread the scores over many bins
  }
  const ExampleStore examples = examples_for(spec, 300);
  std::vector<std::uint64_t> counts(learning(4).task().evaluation_elements(), 99);
  (void)value_of(evaluate(*network, learning(network->spec().classes), examples, 64, weights, counts, {}));

  const c10::InferenceMode guard;
  std::vector<std::int64_t> rows(300);
  std::iota(rows.begin(), rows.end(), 0);
  const Batch all = examples.gather(rows);
  const std::vector<std::uint64_t> expected =
      reference(network->forward(all.images, Pass{})[0].cpu(), all.target.values.cpu(), 4);
  CHECK(counts[0] == 300);
  CHECK(std::llabs(static_cast<long long>(counts[1]) - static_cast<long long>(expected[1])) <= 300);
  CHECK(std::equal(counts.begin() + 2, counts.end(), expected.begin() + 2));
}

TEST_CASE("scores beyond the range fall into the outermost bins") {
  std::vector<std::uint64_t> counts(learning(2).task().evaluation_elements());
  const auto counter = learning(2).count_into(counts);
  const std::vector<at::Tensor> certain{at::tensor({40.0F, -40.0F, 40.0F, -40.0F}).view({2, 2})};
  CHECK(counter->add(certain, Target{.values = at::arange(2, at::kLong), .boxes = {}, .spacing = {}}));
  counter->finish();
  const std::size_t positives = 2 + 4;
  const std::size_t negatives = positives + 2 * task::kScoreBins;
  CHECK(counts[positives + 1023] == 1);  // class 0, truth: the highest score
  CHECK(counts[positives + 1024] == 1);  // class 1, truth: the lowest
  CHECK(counts[negatives + 1023] == 1);  // class 0 where it isn't
  CHECK(counts[negatives + 1024] == 1);  // class 1 where it isn't
  CHECK(counts[1] == 80ULL << 20);       // one loss of 0, one of 80 nats
}

TEST_CASE("the same counts come out whatever the batch size") {
  const model::ModelSpec spec = four_classes();
  const auto network = network_of(spec);
  const ParameterVector weights = value_of(model::initial_weights(spec, 5));
  const ExampleStore examples = examples_for(spec, 100);
  std::vector<std::uint64_t> one(learning(4).task().evaluation_elements());
  std::vector<std::uint64_t> all(one.size());
  (void)value_of(evaluate(*network, learning(network->spec().classes), examples, 7, weights, one, {}));
  (void)value_of(evaluate(*network, learning(network->spec().classes), examples, 100, weights, all, {}));
  CHECK(one[0] == all[0]);
  CHECK(std::equal(one.begin() + 2, one.begin() + 18, all.begin() + 2));
}

TEST_CASE("a model that predicts NaN is refused") {
  const auto network = network_of(small_model());
  ParameterVector weights = value_of(model::initial_weights(small_model(), 5));
  weights.back() = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::uint64_t> counts(learning(2).task().evaluation_elements());
  const auto outcome =
      evaluate(*network, learning(network->spec().classes), examples_for(small_model(), 4), 4, weights, counts, {});
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("an empty split counts nothing") {
  const auto network = network_of(small_model());
  const ParameterVector weights = value_of(model::initial_weights(small_model(), 5));
  std::vector<std::uint64_t> counts(learning(2).task().evaluation_elements(), 7);
  (void)value_of(
      evaluate(*network, learning(network->spec().classes), examples_for(small_model(), 0), 4, weights, counts, {}));
  CHECK(counts == std::vector<std::uint64_t>(counts.size(), 0));
}

}  // namespace
}  // namespace consilium::trainer
