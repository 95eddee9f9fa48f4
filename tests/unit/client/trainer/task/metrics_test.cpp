#include <cmath>

#include "common/task/classification.h"
#include "common/task/score_histogram.h"
#include "common/task/segmentation.h"
#include "fixtures.h"

namespace consilium::trainer {
namespace {

using testing::check_metrics;
using testing::evaluated;
using testing::fixture;
using testing::floats;
using testing::integers;
using testing::learning;

Target of(at::Tensor values) { return {.values = std::move(values), .boxes = {}, .spacing = {}}; }

TEST_CASE("classification: the metrics of counts are scikit-learn's of the examples, within their bounds") {
  for (const auto& json : fixture("classification")) {
    const auto classes = json["classes"].get<std::int64_t>();
    const auto count = static_cast<std::int64_t>(json["labels"].size());
    const auto task =
        learning({.threshold = json["threshold"], .calibration_bins = 15}, static_cast<std::uint64_t>(classes));
    const at::Tensor logits = floats(json["logits"], {count, classes});
    const at::Tensor labels = integers(json["labels"], {count});
    const task::Metrics metrics = evaluated(
        *task, {{logits.slice(0, 0, 70), of(labels.slice(0, 0, 70))}, {logits.slice(0, 70), of(labels.slice(0, 70))}});
    CHECK(metrics.examples == static_cast<std::uint64_t>(count));
    check_metrics(metrics, json["expected"]);
    CHECK(metrics.table("confusion")->counts == json["confusion"].get<std::vector<std::uint64_t>>());
    CHECK(metrics.error_of("auc") < 0.01);
    CHECK(metrics.error_of("sensitivity") < 0.02);
    CHECK((json["threshold"] != 0.5 || metrics.error_of("sensitivity") == 0.0));
  }
}

TEST_CASE("classification: the score of each of many classes is in the bin of its own logit") {
  constexpr std::int64_t kMany = 200, kCount = 30;
  at::manual_seed(5);
  const at::Tensor logits = (at::randn({kCount, kMany}, at::kDouble) * 8.0).to(at::kFloat);
  const at::Tensor labels = at::arange(kCount, at::kLong);
  const auto task = learning(task::default_task(task::TaskKind::kClassification), kMany);
  std::vector<std::uint64_t> counts(task->task().evaluation_elements());
  const auto counter = task->count_into(counts);
  const std::vector<at::Tensor> outputs{logits};
  REQUIRE(counter->add(outputs, of(labels)));
  std::vector<std::uint64_t> positives(kMany * task::kScoreBins), negatives(positives.size());
  for (std::int64_t i = 0; i < kCount; ++i) {
    for (std::int64_t c = 0; c < kMany; ++c) {
      long double others = 0.0L;
      for (std::int64_t k = 0; k < kMany; ++k)
        others += k == c ? 0.0L : std::exp(static_cast<long double>(logits[i][k].item<float>()));
      const auto score = static_cast<double>(logits[i][c].item<float>() - std::log(others));
      const std::size_t place = static_cast<std::size_t>(c) * task::kScoreBins + task::score_bin(score);
      ++(c == i ? positives : negatives)[place];
    }
  }
  const auto first = counts.begin() + 2 + kMany * kMany;
  CHECK(std::equal(positives.begin(), positives.end(), first));
  CHECK(std::equal(negatives.begin(), negatives.end(), first + static_cast<std::ptrdiff_t>(positives.size())));
}

TEST_CASE("multi-label: the metrics of counts are scikit-learn's of the examples, within their bounds") {
  for (const auto& json : fixture("multi_label")) {
    const auto labels = json["classes"].get<std::int64_t>();
    const auto count = static_cast<std::int64_t>(json["labels"].size()) / labels;
    task::TaskSpec spec = task::default_task(task::TaskKind::kMultiLabel);
    spec.threshold = json["threshold"];
    const auto task = learning(spec, static_cast<std::uint64_t>(labels));
    const task::Metrics metrics =
        evaluated(*task, {{floats(json["logits"], {count, labels}), of(floats(json["labels"], {count, labels}))}});
    check_metrics(metrics, json["expected"]);
    for (const char* exact : {"f1", "accuracy", "sensitivity", "specificity", "exact_match", "balanced_accuracy"})
      CHECK(metrics.error_of(exact) == 0.0);
    CHECK(metrics.error_of("auc") < 0.01);
  }
}

TEST_CASE("segmentation: the metrics of counts are those of masks by NumPy and SciPy, in 2-D and 3-D") {
  for (const auto& json : fixture("segmentation")) {
    const auto classes = json["classes"].get<std::int64_t>();
    auto shape = json["shape"].get<std::vector<std::int64_t>>();
    const auto dimensions = static_cast<std::int64_t>(shape.size());
    shape.insert(shape.begin(), -1);
    const at::Tensor truth = integers(json["truths"], shape);
    const at::Tensor predicted = integers(json["predictions"], shape);
    // Returns logits in which the predicted class has the largest.
    const at::Tensor logits = at::one_hot(predicted, classes).movedim(-1, 1).to(at::kFloat).mul(3.0).contiguous();
    Target target = of(truth);
    target.spacing =
        at::tensor(json["spacing"].get<std::vector<double>>(), at::kDouble).expand({truth.size(0), dimensions}).clone();
    const auto task = learning(task::default_task(task::TaskKind::kSegmentation), static_cast<std::uint64_t>(classes));
    const task::Metrics metrics = evaluated(*task, {{logits, target}});
    check_metrics(metrics, json["expected"]);
    CHECK(metrics.error_of("dice") < 1e-6);
    CHECK(metrics.error_of("dice_pooled") == 0.0);
    CHECK(metrics.error_of("hd95") < 0.025 * metrics.value_of("hd95") + 1e-9);
    CHECK_FALSE(metrics.find("hd95")->higher_is_better);
    // A mask with a class that the model doesn't have, or of another shape, is refused and not counted.
    std::vector<std::uint64_t> counts(task->task().evaluation_elements());
    const std::vector<at::Tensor> outputs{logits};
    Target wrong = of(truth + classes);
    CHECK(task->count_into(counts)->add(outputs, wrong).error().code == ErrorCode::kInvalidArgument);
    wrong = of(truth.slice(1, 1));
    CHECK(task->count_into(counts)->add(outputs, wrong).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a perfect segmentation has Dice 1 and distance 0, exactly") {
  const auto task = learning(task::default_task(task::TaskKind::kSegmentation), 2);
  at::Tensor truth = at::zeros({2, 5, 6}, at::kLong);
  truth.slice(1, 1, 3).slice(2, 2, 5).fill_(1);
  const at::Tensor logits = at::one_hot(truth, 2).movedim(-1, 1).to(at::kFloat);
  const task::Metrics metrics = evaluated(*task, {{logits, of(truth)}});
  CHECK(metrics.value_of("dice") == 1.0);
  CHECK(metrics.value_of("iou_pooled") == 1.0);
  CHECK(metrics.value_of("hd95") == 0.0);
  CHECK(metrics.error_of("hd95") == 0.0);
  CHECK(metrics.value_of("missed") == 0.0);
}

TEST_CASE("an output that is NaN or infinite is refused, and the example named") {
  for (const auto kind : {task::TaskKind::kClassification, task::TaskKind::kMultiLabel}) {
    const auto task = learning(task::default_task(kind), 2);
    std::vector<std::uint64_t> counts(task->task().evaluation_elements());
    const auto counter = task->count_into(counts);
    at::Tensor logits = at::zeros({3, 2});
    const Target target = of(kind == task::TaskKind::kClassification ? at::zeros({3}, at::kLong) : at::zeros({3, 2}));
    std::vector<at::Tensor> outputs{logits};
    REQUIRE(counter->add(outputs, target).has_value());
    logits[1][1] = kind == task::TaskKind::kClassification ? NAN : INFINITY;
    const auto refused = counter->add(outputs, target);
    REQUIRE_FALSE(refused.has_value());
    CHECK_THAT(refused.error().message, Catch::Contains("example 4 "));
  }
}

TEST_CASE("an evaluation's loss is the job's") {
  const at::Tensor logits = at::tensor({2.0F, 0.0F, 0.0F, 1.0F}).view({2, 2});
  const at::Tensor labels = at::tensor({0, 0}, at::kLong);
  const auto loss_by = [&](const nlohmann::json& loss) {
    return evaluated(*learning({}, 2, loss), {{logits, of(labels)}}).value_of("loss");
  };
  const double plain = 0.5 * (std::log1p(std::exp(-2.0)) + std::log1p(std::exp(1.0)));
  CHECK(loss_by("cross_entropy") == Approx(plain).epsilon(1e-5));
  CHECK(loss_by({{"name", "cross_entropy"}, {"class_weights", {3.0, 1.0}}}) == Approx(3.0 * plain).epsilon(1e-5));
  CHECK(loss_by("focal") < plain);
}

TEST_CASE("a predicted map is post-processed before it is counted") {
  task::TaskSpec spec = task::default_task(task::TaskKind::kSegmentation);
  at::Tensor truth = at::zeros({1, 6, 6}, at::kLong);
  truth.slice(1, 0, 3).slice(2, 0, 3) = 1;
  at::Tensor found = truth.clone();
  found[0][1][1] = 0;  // a hole
  found[0][5][5] = 1;  // a speck
  const at::Tensor logits = at::one_hot(found, 2).permute({0, 3, 1, 2}).to(at::kFloat).contiguous();
  const auto dice = [&] {
    const auto task = learning(spec, 2, {});
    std::vector<std::uint64_t> counts(task->task().evaluation_elements());
    const auto counter = task->count_into(counts);
    const std::vector<at::Tensor> outputs{logits};
    REQUIRE(counter->add(outputs, Target{.values = truth}));
    REQUIRE(counter->finish());
    return task->task().metrics(counts).value().value_of("dice");
  };
  CHECK(dice() == Approx(2.0 * 8 / (9 + 9)));
  spec.postprocess.largest_component = {1};
  CHECK(dice() == Approx(2.0 * 8 / (9 + 8)));
  spec.postprocess.fill_holes = {1};
  CHECK(dice() == 1.0);
}

}  // namespace
}  // namespace consilium::trainer
