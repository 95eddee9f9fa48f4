#include "client/trainer/training/evaluation.h"

#include <algorithm>
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

/// Computes the counts by their definition, from softmax in long double.
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
  REQUIRE(counter->finish());
  const std::size_t positives = 2 + 4;
  const std::size_t negatives = positives + 2 * task::kScoreBins;
  CHECK(counts[positives + 1023] == 1);  // class 0, true examples: the highest score
  CHECK(counts[positives + 1024] == 1);  // class 1, true examples: the lowest
  CHECK(counts[negatives + 1023] == 1);  // class 0, other examples
  CHECK(counts[negatives + 1024] == 1);  // class 1, other examples
  CHECK(counts[1] == 80ULL << 20);       // one loss of 0, one of 80 nats
}

TEST_CASE("a loss beyond what can be counted is refused and not cut") {
  for (const float score : {5e30F, 5e37F, 3e38F}) {
    std::vector<std::uint64_t> counts(learning(2).task().evaluation_elements());
    const auto counter = learning(2).count_into(counts);
    const std::vector<at::Tensor> wrong{at::tensor({-score, score}).view({1, 2})};
    REQUIRE(counter->add(wrong, Target{.values = at::zeros({1}, at::kLong), .boxes = {}, .spacing = {}}));
    const auto finished = counter->finish();
    REQUIRE_FALSE(finished);
    CHECK(finished.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(finished.error().message, Catch::Contains("at most 4.4e+12 can be counted"));
  }
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

/// Three patients with two rows each, followed by rows without a patient.
class OfPatients final : public ExampleSource {
 public:
  explicit OfPatients(ExampleStore store) : store_(std::move(store)) {}
  std::int64_t size() const override { return store_.size(); }
  std::vector<std::uint32_t> patients() const override {
    std::vector<std::uint32_t> whose{0, 1, 0, 2, 1, 2};
    for (std::int64_t row = 6; row < size(); ++row) whose.push_back(static_cast<std::uint32_t>(row - 3));
    return whose;
  }
  void begin(const data::Draw& draw, std::span<const std::int64_t> order) const override { store_.begin(draw, order); }
  Result<Batch> batch(std::span<const std::int64_t> rows) const override { return store_.batch(rows); }

 private:
  ExampleStore store_;
};

TEST_CASE("patients are counted one by one, and together they are the whole split") {
  const model::ModelSpec spec = four_classes();
  const auto network = network_of(spec);
  const ParameterVector weights = value_of(model::initial_weights(spec, 5));
  const OfPatients examples(examples_for(spec, 20));
  const LearningTask& task = learning(4);
  const std::size_t elements = task.task().evaluation_elements();
  std::vector<std::uint64_t> all(elements), single(elements * 17);
  (void)value_of(evaluate(*network, task, examples, 7, weights, all, {}));
  // In two requests, as from a host that has no room for all.
  for (const auto& [first, count] : {std::pair{0U, 2U}, std::pair{2U, 15U}}) {
    const std::span part = std::span(single).subspan(first * elements, count * elements);
    const EvaluatePatients request{.batch_size = 7, .first_patient = first, .patients = count};
    CHECK(value_of(evaluate_patients(*network, task, examples, request, weights, part, {})).all == 17);
  }
  std::vector<std::uint64_t> sum(elements);
  for (std::size_t i = 0; i < single.size(); ++i) sum[i % elements] += single[i];
  CHECK(sum[0] == 20);
  CHECK(std::llabs(static_cast<long long>(sum[1]) - static_cast<long long>(all[1])) <= 20);  // each loss is rounded
  CHECK(std::equal(sum.begin() + 2, sum.end(), all.begin() + 2));
  CHECK(single[0] == 2);
  CHECK(single[elements] == 2);
  CHECK(single[3 * elements] == 1);

  // For a patient that doesn't exist nothing is counted.
  const std::span beyond = std::span(single).first(2 * elements);
  (void)value_of(
      evaluate_patients(*network, task, examples, {.first_patient = 16, .patients = 2}, weights, beyond, {}));
  CHECK(beyond[0] == 1);
  CHECK(std::ranges::all_of(beyond.subspan(elements), [](std::uint64_t count) { return count == 0; }));
}

TEST_CASE("of several models the mean of their probabilities is evaluated") {
  const model::ModelSpec spec = four_classes();
  const auto network = network_of(spec);
  const ExampleStore examples = examples_for(spec, 50);
  const LearningTask& task = learning(4);
  std::vector<ParameterVector> models;
  ParameterVector together;
  for (const std::uint64_t seed : {5U, 6U, 7U}) {
    models.push_back(value_of(model::initial_weights(spec, seed)));
    for (float& weight : models.back()) weight *= 4.0F;
    together.insert(together.end(), models.back().begin(), models.back().end());
  }
  const std::size_t elements = task.task().evaluation_elements();
  std::vector<std::uint64_t> single(50 * elements), counts(elements);
  const EvaluatePatients request{.batch_size = 16, .models = 3, .patients = 50};
  (void)value_of(evaluate_patients(*network, task, examples, request, together, single, {}));
  for (std::size_t i = 0; i < single.size(); ++i) counts[i % elements] += single[i];

  const c10::InferenceMode guard;
  std::vector<std::int64_t> rows(50);
  std::iota(rows.begin(), rows.end(), 0);
  const Batch all = examples.gather(rows);
  at::Tensor mean = at::zeros({50, 4}, at::kDouble);
  for (const ParameterVector& model : models) {
    network->storage().load(model);
    mean += network->forward(all.images, Pass{})[0].to(at::kDouble).softmax(1) / 3.0;
  }
  const auto predicted = mean.argmax(1);
  std::uint64_t right = 0;
  double loss = 0.0;
  for (std::int64_t i = 0; i < 50; ++i) {
    const auto truth = all.target.values[i].item<std::int64_t>();
    right += predicted[i].item<std::int64_t>() == truth ? 1 : 0;
    loss -= std::log(mean[i][truth].item<double>());
  }
  std::uint64_t counted = 0;
  for (std::size_t c = 0; c < 4; ++c) counted += counts[2 + c * 4 + c];
  CHECK(counted == right);
  CHECK(static_cast<double>(counts[1]) / 1048576.0 == Approx(loss).epsilon(1e-5));
}

task::LossSpec of_kind(task::LossKind kind) {
  task::LossSpec loss;
  loss.kind = kind;
  return loss;
}

TEST_CASE("labels of several models have the mean of their sigmoids, and boxes have none") {
  const std::vector<std::vector<at::Tensor>> outputs{{at::tensor({2.0F, -40.0F}).view({1, 2})},
                                                     {at::tensor({-1.0F, 40.0F}).view({1, 2})}};
  task::TaskSpec labels;
  labels.kind = task::TaskKind::kMultiLabel;
  const auto multi_label = value_of(make_learning_task(value_of(task::make_task(labels, 2)),
                                                       of_kind(task::LossKind::kBinaryCrossEntropy), {1, 2, 2}));
  const at::Tensor mean = value_of(multi_label->mean_of_models(outputs))[0];
  const double p = 0.5 * (1.0 / (1.0 + std::exp(-2.0)) + 1.0 / (1.0 + std::exp(1.0)));
  CHECK(mean[0][0].item<float>() == Approx(std::log(p / (1.0 - p))).margin(1e-5));
  CHECK(mean[0][1].item<float>() == Approx(0.0).margin(1e-5));

  task::TaskSpec boxes;
  boxes.kind = task::TaskKind::kDetection;
  const auto detection =
      value_of(make_learning_task(value_of(task::make_task(boxes, 1)), of_kind(task::LossKind::kFcos), {1, 32, 32}));
  const auto refused = detection->mean_of_models(outputs);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("the outputs of several detection models can't be averaged") != std::string::npos);
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
