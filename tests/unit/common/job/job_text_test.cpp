#include "common/job/job_text.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "common/job/masked_job.h"
#include "common/job/round_order.h"
#include "tests/catch.h"
#include "tests/unit/common/job/job_fixtures.h"

namespace consilium::job {
namespace {

using namespace std::chrono_literals;

JobSpec parsed(const std::string& text) {
  auto job = parse_job(text, "job.yaml");
  INFO((job ? "" : job.error().message));
  REQUIRE(job);
  return *job;
}

TEST_CASE("the smallest example is accepted exactly as written") {
  const auto job = read_job(CONSILIUM_SOURCE_DIR "/examples/synthetic.yaml");
  INFO((job ? "" : job.error().message));
  REQUIRE(job);
  CHECK(job->name == "synthetic");
  CHECK(job->model.input == std::vector<std::int64_t>{60});
  CHECK(job->model.classes == 10);
  CHECK(job->training.local_epochs == 20);
  CHECK(job->training.batch_size == 10);
  CHECK(job->training.optimizer == OptimizerSpec{.kind = OptimizerKind::kSgd, .learning_rate = 0.01});
  CHECK_FALSE(job->training.time_limit);
  CHECK(job->federation == FederationSpec{.rounds = 60, .fraction = 0.3334, .minimum_sites = 3});
  CHECK(job->strategy == StrategySpec{StrategyKind::kFedProx, 1.0, Weighting::kCohort});
  CHECK(job->privacy == PrivacySpec{SecureAggregation::kOff, std::nullopt, 16.0, 1024.0});
  CHECK(job->evaluation == EvaluationSpec{1, Split::kTest});
  CHECK_FALSE(job->initial_weights);
  CHECK(job->seed == 1);
}

TEST_CASE("the richer example is accepted exactly as written") {
  const auto job = read_job(CONSILIUM_SOURCE_DIR "/examples/chest-xray.yaml");
  INFO((job ? "" : job.error().message));
  REQUIRE(job);
  CHECK(job->model.name == "fedavg_cnn");
  CHECK(job->data.normalize == Normalization{{0.5}, {0.5}});
  CHECK(job->training.optimizer.momentum == 0.9);
  CHECK_FALSE(job->training.time_limit);
  CHECK(job->federation.sites == std::vector<std::string>{"north", "south", "east", "west"});
  CHECK(job->federation.quorum == 1.0);
  CHECK(job->federation.deadline == 15min);
  CHECK(job->strategy == StrategySpec{StrategyKind::kFedAvg, 0.0, Weighting::kPopulation});
  CHECK(job->evaluation.split == Split::kVal);
  CHECK(job->privacy == PrivacySpec{});
  CHECK_FALSE(job->initial_weights);
}

TEST_CASE("every example job is accepted") {
  for (const char* file : {"synthetic", "chest-xray", "fashion"}) {
    const auto job = read_job(CONSILIUM_SOURCE_DIR "/examples/" + std::string(file) + ".yaml");
    INFO((job ? "" : job.error().message));
    REQUIRE(job);
    CHECK(job->name == file);
  }
}

TEST_CASE("what a job leaves out has its default") {
  const JobSpec job = parsed(
      "{name: x, model: {name: mlp_2nn, input: [1, 28, 28], classes: 10}, data: {dataset: d}, "
      "training: {optimizer: {name: adam, learning_rate: 1e-3}}, federation: {rounds: 1}}");
  CHECK(job.training.local_epochs == 1);
  CHECK(job.training.batch_size == 32);
  CHECK(job.training.optimizer == OptimizerSpec{.kind = OptimizerKind::kAdam, .learning_rate = 1e-3});
  CHECK(job.training.schedule == LearningRateSchedule{});
  CHECK(job.federation == FederationSpec{.minimum_sites = 0});  // until the roster supplies the number
  CHECK(job.privacy == PrivacySpec{});
  CHECK(job.strategy == StrategySpec{StrategyKind::kFedAvg, 0.0, Weighting::kPopulation});
  CHECK(job.evaluation == EvaluationSpec{});
  CHECK(job.seed == 0);
}

TEST_CASE("secure aggregation is the default, and off must be spelled") {
  const JobSpec job = parsed(with(with(kSmallJob, "secure_aggregation: off, ", ""), ", weighting: cohort", ""));
  CHECK(job.privacy.secure_aggregation == SecureAggregation::kRequired);
  CHECK(parsed(kSmallJob).privacy.secure_aggregation == SecureAggregation::kOff);
}

TEST_CASE("optimisers, schedules and channels take their own keys") {
  const JobSpec adam = parsed(with(kSmallJob, "{name: sgd, learning_rate: 0.01, momentum: 0.9, weight_decay: 0.001}",
                                   "{name: adamw, learning_rate: 0.01, betas: [0.8, 0.99], epsilon: 1e-6}"));
  CHECK(adam.training.optimizer == OptimizerSpec{OptimizerKind::kAdamW, 0.01, 0.0, 0.0, 0.8, 0.99, 1e-6});
  const JobSpec cosine =
      parsed(with(kSmallJob, "{name: step, every: 5, factor: 0.5}", "{name: cosine, minimum: 0.001}"));
  CHECK(cosine.training.schedule == LearningRateSchedule{.kind = ScheduleKind::kCosine, .minimum = 0.001});
  CHECK(parsed(with(kSmallJob, "{name: step, every: 5, factor: 0.5}", "constant")).training.schedule ==
        LearningRateSchedule{});
  const std::string image = with(with(kSmallJob, "input: [8]", "input: [3, 4, 4]"), "{mean: 0.5, std: 0.25}",
                                 "{mean: [0.1, 0.2, 0.3], std: [1]}");
  CHECK(parsed(image).data.normalize == Normalization{{0.1, 0.2, 0.3}, {1.0}});
}

TEST_CASE("a job names an atlas by digest, and its channels are the last of the model's input") {
  const std::string hex(64, 'a');
  const std::string text = with(with(kSmallJob, "input: [8]", "input: [3, 4, 4]"), "{mean: 0.5, std: 0.25}",
                                "{mean: [0.5, 0.25], std: 2}, atlas: {name: brain, sha256: " + hex + ", channels: 1}");
  const JobSpec job = parsed(text);
  REQUIRE(job.data.atlas);
  CHECK(job.data.atlas->name == "brain");
  CHECK(crypto::to_hex(job.data.atlas->sha256) == hex);
  CHECK(image_channels(job) == 2);
  CHECK(input_normalization(job) == Normalization{{0.5, 0.25, 0.0}, {2.0, 2.0, 1.0}});
  CHECK(parsed(canonical_text(job)) == job);
  JobSpec other = job;
  other.data.atlas->sha256[31] ^= 1;
  CHECK(job_digest(other) != job_digest(job));
  other.data.atlas.reset();
  CHECK(image_channels(other) == 3);
  CHECK(input_normalization(other) == other.data.normalize);

  const auto refused = [&](const std::string& from, const std::string& to) {
    return parse_job(with(text, from, to), "job.yaml").error().message;
  };
  CHECK(refused("channels: 1", "channels: 3")
            .find("data.atlas.channels: expected fewer channels than the 3 of the model's input") != std::string::npos);
  CHECK(refused("channels: 1", "channels: 17").find("data.atlas.channels") != std::string::npos);
  CHECK(refused(hex, "abc").find("data.atlas.sha256: expected the SHA-256 of the file") != std::string::npos);
  CHECK(refused("[0.5, 0.25]", "[0.5, 0.25, 1]").find("or 2 (the image's channels), found 3") != std::string::npos);
  CHECK(refused("[3, 4, 4]", "[8]").find("only with images") != std::string::npos);
}

TEST_CASE("an error names the file, the key path, what was expected and what was found") {
  const auto message = [](const std::string& from, const std::string& to) {
    const auto job = parse_job(with(kSmallJob, from, to), "job.yaml");
    REQUIRE_FALSE(job);
    return job.error().message;
  };
  CHECK(message("learning_rate: 0.01", "learning_rate: fast") ==
        "job.yaml: training.optimizer.learning_rate: expected a number > 0, found 'fast' (line 7)");
  CHECK(message("rounds: 20", "ronds: 20") ==
        "job.yaml: federation.ronds: unknown key; did you mean 'rounds'? (line 11)");
  CHECK(message("seed: 7", "sed: 7") == "job.yaml: sed: unknown key; did you mean 'seed'? (line 16)");
  CHECK(
      message("[a, b, c]", "[a, B, c]").starts_with("job.yaml: federation.sites[1]: expected a name (1 to 63 of a-z"));
  CHECK(message("minimum_sites: 2", "minimum_sites: 4") ==
        "job.yaml: federation.minimum_sites: expected at most the 3 sites that the job lists, found 4 (line 11)");
  CHECK(message("clip: 16", "clip: 15") ==
        "job.yaml: privacy.clip: expected a power of two, e.g. 8, 16 or 0.5, found '15' (line 13)");
  CHECK_THAT(
      message("{linear: 4}", "{linear: 5}"),
      Catch::StartsWith("job.yaml: model: classification needs a model that yields [4], but this one yields [5]"));
  CHECK(message("{linear: 4}", "{linear: x}").starts_with("job.yaml: model.layers[2]"));
  CHECK(message("classes: 4", "clases: 4").starts_with("job.yaml: model.clases: "));
  CHECK(message("input: [8], ", "").starts_with("job.yaml: model.input: missing"));
}

/// Leaves the job without a roster, or draws one and the keys that depend on it.
void fill_masked(JobSpec& job, const std::function<std::uint32_t(std::uint32_t)>& below) {
  FederationSpec& federation = job.federation;
  if (below(3) == 0) {
    if (below(2)) federation.minimum_sites = 0;
    if (below(2)) job.privacy.colluding_sites = 1 + below(127);
    return;
  }
  federation.sites.clear();
  for (std::uint32_t i = 0; i < 6 + below(20); ++i) federation.sites.push_back("site" + std::to_string(i));
  federation.fraction = federation.quorum = 1.0;
  federation.minimum_sites = 0;
  job.privacy.colluding_sites = 1;
  if (below(2)) {
    auto& groups = federation.count_groups = {{}, {}};
    for (std::size_t i = 0; i < federation.sites.size(); ++i) groups[i % 2].push_back(federation.sites[i]);
    for (auto& group : groups) std::sort(group.begin(), group.end());
  }
  job = *with_roster(job, simulated_roster(federation.sites));
}

/// Draws a valid spec. Reaches every kind and optional key.
JobSpec random_job(std::mt19937_64& draw) {
  const auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(draw() % bound); };
  const auto share = [&] { return (1.0 + below(1'000'000)) / 1'000'001.0; };
  JobSpec job;
  job.name = "job-" + std::to_string(below(1000));
  const std::vector<std::string> models{"fedavg_cnn", "mlp_2nn", "resnet18"};
  job.model.name = models[below(3)];
  job.model.input = {1 + below(3), 28, 28};
  job.model.classes = 2 + below(9);
  if (job.model.name == "resnet18" && below(2)) job.model.frozen = {"bn1", "conv1", "layer1.0"};
  if (job.model.name == "resnet18" && below(2))
    job.training.learning_rates = {{"layer1", 0.001 + share()}, {"layer2.1", 2.0}};
  job.data.dataset = "set" + std::to_string(below(10));
  if (below(2)) {
    job.task = task::default_task(below(2) ? task::TaskKind::kClassification : task::TaskKind::kMultiLabel);
    job.task.threshold = 0.01 + 0.98 * share();
    job.task.calibration_bins = below(20);
    const auto losses = task::losses_of(job.task.kind);
    job.training.loss.kind = losses[below(static_cast<std::uint32_t>(losses.size()))];
    const task::LossKeys keys = task::keys_of(job.training.loss.kind, job.task.kind);
    if (keys.gamma && below(2)) job.training.loss.gamma = 10.0 * share();
    if (keys.alpha && below(2)) job.training.loss.alpha = share();
    if (keys.label_smoothing && below(2)) job.training.loss.label_smoothing = 0.99 * share();
    if (keys.class_weights && below(2))
      job.training.loss.class_weights.assign(static_cast<std::size_t>(job.model.classes), 100.0 * share());
  }
  if (below(2))
    job.data.normalize =
        Normalization{{share() - 0.5}, std::vector<double>(static_cast<std::size_t>(job.model.input[0]), share())};
  if (job.model.input.size() >= 3 && job.model.input[0] > 1 && !job.data.normalize && below(2))
    job.data.atlas = AtlasSpec{"brain", {7}, 1 + below(static_cast<std::uint32_t>(job.model.input[0] - 1))};
  job.training.local_epochs = 1 + below(100);
  job.training.batch_size = 1 + below(1000);
  OptimizerSpec& optimizer = job.training.optimizer;
  optimizer.kind = static_cast<OptimizerKind>(1 + below(3));
  optimizer.learning_rate = share() * 1e-3;
  optimizer.weight_decay = below(2) ? share() : 0.0;
  if (optimizer.kind == OptimizerKind::kSgd) {
    optimizer.momentum = below(2) ? share() * 0.99 : 0.0;
  } else {
    optimizer.beta1 = share() * 0.999;
    optimizer.beta2 = share() * 0.999;
    optimizer.epsilon = share() * 1e-9;
  }
  LearningRateSchedule& schedule = job.training.schedule;
  schedule.kind = static_cast<ScheduleKind>(1 + below(3));
  if (schedule.kind == ScheduleKind::kStep) {
    schedule.every = 50 + below(100);
    schedule.factor = 0.5 + share() / 2;
  }
  if (schedule.kind == ScheduleKind::kCosine) schedule.minimum = optimizer.learning_rate * share();
  job.training.precision = static_cast<Precision>(1 + below(2));
  if (below(2)) job.training.gradient_clip = 10.0 * share();
  if (below(2)) job.training.time_limit = std::chrono::milliseconds(1 + below(100'000'000));
  job.federation.rounds = 1 + below(1000);
  if (below(2)) schedule.warmup = below(job.federation.rounds);
  if (below(2)) schedule.rounds_before = below(100);
  for (std::uint32_t i = 0; i < below(5); ++i) job.federation.sites.push_back("site" + std::to_string(i));
  job.federation.fraction = share();
  job.federation.minimum_sites = 1;
  job.federation.quorum = share();
  job.federation.deadline = std::chrono::milliseconds(1 + below(100'000'000));
  job.strategy.kind = static_cast<StrategyKind>(1 + below(2));
  if (job.strategy.kind == StrategyKind::kFedProx) job.strategy.mu = share() * 10;
  job.privacy.secure_aggregation = static_cast<SecureAggregation>(1 + below(2));
  const bool masked = job.privacy.secure_aggregation == SecureAggregation::kRequired;
  job.strategy.weighting = masked || below(2) ? Weighting::kPopulation : Weighting::kCohort;
  if (masked) fill_masked(job, below);
  job.privacy.clip = std::ldexp(1.0, static_cast<int>(below(41)) - 20);
  job.privacy.buffer_clip = std::ldexp(1.0, static_cast<int>(below(41)) - 20);
  job.evaluation = {below(5), static_cast<Split>(1 + below(3))};
  if (job.evaluation.every > 0 && below(2)) {
    job.evaluation.metric = below(2) ? "loss" : "auc";
    job.evaluation.patience = below(4);
    job.evaluation.keep_best = below(2) == 0;
  }
  if (below(2)) job.initial_weights = "weights/\"start\" \xC3\xA9 #1: '\\.safetensors";
  if (job.initial_weights && job.model.name == "resnet18" && below(2)) job.replaced_layers = {"fc", "layer4.1"};
  if (below(2)) job.readers = {"ada", "grace-" + std::to_string(below(100))};
  if (job.replaced_layers.empty() && below(2)) job.initial_weights_digest = crypto::sha256(job.name);
  job.seed = draw();
  return job;
}

TEST_CASE("a canonical text reads back to an equal spec, and its text is the same again") {
  const int seed = GENERATE(range(0, 200));
  std::mt19937_64 draw(static_cast<std::uint64_t>(seed));
  const JobSpec job = random_job(draw);
  const std::string text = canonical_text(job);
  INFO(text);
  const auto again = parse_job(text, "canonical");
  INFO((again ? "" : again.error().message));
  REQUIRE(again);
  CHECK(*again == job);
  CHECK(canonical_text(*again) == text);
  CHECK(job_digest(*again) == job_digest(job));
  CHECK(text.find('\n') == std::string::npos);
  CHECK(nlohmann::json::parse(text).dump() == text);
}

TEST_CASE("the canonical text of layers reads back to an equal spec") {
  const JobSpec job = parsed(with(with(kSmallJob, "[{linear: 16}, relu, {linear: 4}], input: [8]",
                                       "[{conv: {channels: 4, kernel: 3, padding: same}}, batchnorm, relu, {maxpool: "
                                       "2}, {basic_block: {channels: 8}}, "
                                       "global_avgpool, flatten, {dropout: 0.25}, {linear: 4}], input: [1, 8, 8]"),
                                  "mean: 0.5", "mean: -0"));
  const auto again = parse_job(canonical_text(job), "canonical");
  INFO((again ? "" : again.error().message));
  REQUIRE(again);
  CHECK(*again == job);
  CHECK(canonical_text(*again) == canonical_text(job));
}

TEST_CASE("spelling does not change the digest, meaning does") {
  const JobSpec job = parsed(kSmallJob);
  CHECK(job_digest(parsed(with(kSmallJob, "learning_rate: 0.01", "learning_rate: 1e-2"))) == job_digest(job));
  CHECK(job_digest(parsed(with(kSmallJob, "time_limit: 10m", "time_limit: 600s"))) == job_digest(job));
  CHECK(job_digest(parsed(with(kSmallJob, "buffer_clip: 1024", "buffer_clip: null"))) == job_digest(job));
  CHECK(job_digest(parsed(with(kSmallJob, "mean: 0.5", "mean: [0.5]"))) == job_digest(job));
  const std::vector<std::pair<std::string, std::string>> changes{{"name: small", "name: smaller"},
                                                                 {"linear: 16", "linear: 17"},
                                                                 {"dataset: synthetic", "dataset: other"},
                                                                 {"mean: 0.5", "mean: 0.25"},
                                                                 {"local_epochs: 2", "local_epochs: 3"},
                                                                 {"batch_size: 10", "batch_size: 11"},
                                                                 {"0.01", "0.02"},
                                                                 {"momentum: 0.9", "momentum: 0.8"},
                                                                 {"0.001", "0.002"},
                                                                 {"every: 5", "every: 6"},
                                                                 {"10m", "11m"},
                                                                 {"rounds: 20", "rounds: 21"},
                                                                 {"[a, b, c]", "[a, b, d]"},
                                                                 {"fraction: 0.5", "fraction: 0.6"},
                                                                 {"minimum_sites: 2", "minimum_sites: 3"},
                                                                 {"quorum: 0.75", "quorum: 1"},
                                                                 {"15m", "16m"},
                                                                 {"mu: 1.0", "mu: 2"},
                                                                 {"cohort", "population"},
                                                                 {"clip: 16", "clip: 8"},
                                                                 {"1024", "512"},
                                                                 {"every: 1,", "every: 0,"},
                                                                 {"split: test", "split: val"},
                                                                 {"weights.s", "w.s"},
                                                                 {"seed: 7", "seed: 8"},
                                                                 {"seed: 7", "seed: 7\nreaders: [ada]"}};
  for (const auto& [from, to] : changes) {
    INFO(from << " -> " << to);
    CHECK(job_digest(parsed(with(kSmallJob, from, to))) != job_digest(job));
  }
}

TEST_CASE("a job names up to 100 different researchers who may read it") {
  const auto readers = [](const std::string& list) { return with(kSmallJob, "seed: 7", "seed: 7\nreaders: " + list); };
  CHECK(parsed(kSmallJob).readers.empty());
  CHECK(parsed(readers("null")).readers.empty());
  CHECK(parsed(readers("[grace, ada]")).readers == std::vector<std::string>{"grace", "ada"});
  std::string many = "[r0";
  for (int reader = 1; reader < 100; ++reader) many += ", r" + std::to_string(reader);
  CHECK(parsed(readers(many + "]")).readers.size() == 100);
  for (const std::string& wrong :
       {std::string("[]"), std::string("ada"), std::string("[ada, ada]"), std::string("[Ada]"), std::string("['']"),
        std::string("{a: b}"), many + ", r100]"}) {
    const auto refused = parse_job(readers(wrong), "job.yaml");
    INFO(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("readers") != std::string::npos);
  }
}

TEST_CASE("a job that classifies has the digest that it had before there were tasks") {
  const std::string before = "cd173dcb3785e9f94a8e8aed7c70112473f2eb96ff4164f916c419653a062b97";
  CHECK(crypto::to_hex(job_digest(parsed(kSmallJob))) == before);
  CHECK(crypto::to_hex(job_digest(parsed(kSmallJob + "task: classification\n"))) == before);
  CHECK(crypto::to_hex(job_digest(parsed(kSmallJob + "task: {name: classification, threshold: 0.5}\n"))) == before);
  CHECK(crypto::to_hex(job_digest(parsed(
            with(kSmallJob, "loss: cross_entropy", "loss: {name: cross_entropy, label_smoothing: 0}")))) == before);
  CHECK(canonical_text(parsed(kSmallJob)).find("\"task\"") == std::string::npos);
}

TEST_CASE("a job's precision is part of its digest, and float32 needn't be said") {
  const auto precise = [](const std::string& precision) {
    return with(kSmallJob, "loss: cross_entropy", "loss: cross_entropy\n  precision: " + precision);
  };
  CHECK(job_digest(parsed(precise("float32"))) == job_digest(parsed(kSmallJob)));
  const JobSpec job = parsed(precise("bf16"));
  CHECK(job.training.precision == Precision::kBfloat16);
  CHECK(job_digest(job) != job_digest(parsed(kSmallJob)));
  CHECK(parsed(canonical_text(job)) == job);
  CHECK_THAT(parse_job(precise("fp8"), "job.yaml").error().message,
             Catch::StartsWith("job.yaml: training.precision: expected one of float32, bf16, found 'fp8'"));
}

TEST_CASE("a gradient clip and a warm-up are part of a job's digest, and need not be said") {
  const auto changed = [](const std::string& from, const std::string& to) { return with(kSmallJob, from, to); };
  const JobSpec plain = parsed(kSmallJob);
  CHECK_THAT(canonical_text(plain), !Catch::Contains("gradient_clip") && !Catch::Contains("warmup"));
  const JobSpec clipped = parsed(changed("loss: cross_entropy", "loss: cross_entropy\n  gradient_clip: 0.5"));
  CHECK(clipped.training.gradient_clip == 0.5);
  CHECK(job_digest(clipped) != job_digest(plain));
  CHECK(parsed(canonical_text(clipped)) == clipped);
  const JobSpec later = parsed(changed("factor: 0.5}", "factor: 0.5, rounds_before: 7}"));
  CHECK(later.training.schedule.rounds_before == 7);
  CHECK(job_digest(later) != job_digest(plain));
  CHECK(parsed(canonical_text(later)) == later);
  CHECK_THAT(canonical_text(plain), !Catch::Contains("rounds_before"));
  CHECK_THAT(parse_job(changed("factor: 0.5}", "factor: 0.5, rounds_before: 999981}"), "job.yaml").error().message,
             Catch::Contains("training.schedule.rounds_before: expected at most 1000000 rounds together"));
  for (const char* schedule : {"{name: step, every: 5, factor: 0.5, warmup: 3}", "{name: constant, warmup: 3}",
                               "{name: cosine, minimum: 0.001, warmup: 3}"}) {
    const JobSpec warm = parsed(changed("{name: step, every: 5, factor: 0.5}", schedule));
    CHECK(warm.training.schedule.warmup == 3);
    CHECK(job_digest(warm) != job_digest(plain));
    CHECK(parsed(canonical_text(warm)) == warm);
  }
  const auto refused = [&](const std::string& from, const std::string& to) {
    const auto job = parse_job(changed(from, to), "job.yaml");
    REQUIRE_FALSE(job);
    return job.error().message;
  };
  for (const char* wrong : {"0", "-1", "1e-7", "1e7", "nan", "inf", "much", "'1'", "[1]", "{}"})
    CHECK_THAT(refused("loss: cross_entropy", std::string("loss: cross_entropy\n  gradient_clip: ") + wrong),
               Catch::StartsWith("job.yaml: training.gradient_clip: expected a number"));
  for (const char* wrong : {"0", "-1", "1.5", "x", "'3'", "[3]", "1000001"})
    CHECK_THAT(refused("factor: 0.5", std::string("factor: 0.5, warmup: ") + wrong),
               Catch::StartsWith("job.yaml: training.schedule.warmup: expected an integer"));
  for (const char* many : {"20", "21"})
    CHECK_THAT(refused("factor: 0.5", std::string("factor: 0.5, warmup: ") + many),
               Catch::StartsWith("job.yaml: training.schedule.warmup: expected fewer rounds than federation.rounds, "
                                 "which is 20, so that at least one round has the full learning rate; found " +
                                 std::string(many)));
}

TEST_CASE("a metric by which rounds are compared is one of the task's, and part of the digest") {
  const auto evaluation = [](const std::string& value) {
    return with(kSmallJob, "{every: 1, split: test}", "{every: 1, split: test" + value + "}");
  };
  const JobSpec job = parsed(evaluation(", metric: auc, patience: 5, keep: best"));
  CHECK(job.evaluation == EvaluationSpec{1, Split::kTest, "auc", 5, true});
  CHECK(parsed(canonical_text(job)) == job);
  CHECK(job_digest(job) != job_digest(parsed(kSmallJob)));
  CHECK(canonical_text(parsed(evaluation(", metric: auc, keep: last"))) ==
        canonical_text(parsed(evaluation(", metric: auc"))));
  CHECK(canonical_text(parsed(kSmallJob)).find("metric") == std::string::npos);
  const auto refused = [&](const std::string& text) {
    const auto wrong = parse_job(text, "job.yaml");
    REQUIRE_FALSE(wrong);
    return wrong.error().message;
  };
  CHECK_THAT(refused(evaluation(", metric: dice")),
             Catch::StartsWith("job.yaml: evaluation.metric: expected one of loss, accuracy, auc, "));
  CHECK_THAT(refused(evaluation(", metric: calibration_error")), Catch::Contains("evaluation.metric: expected one of"));
  CHECK(parse_job(evaluation(", metric: calibration_error") + "task: {name: classification, calibration_bins: 5}\n",
                  "job.yaml"));
  CHECK_THAT(refused(evaluation(", patience: 5")), Catch::Contains("evaluation.patience: only with evaluation.metric"));
  CHECK_THAT(refused(evaluation(", keep: best")), Catch::Contains("evaluation.keep: only with evaluation.metric"));
  CHECK_THAT(refused(evaluation(", metric: auc, patience: 0")), Catch::Contains("evaluation.patience: expected"));
  CHECK_THAT(refused(evaluation(", metric: auc, keep: first")),
             Catch::Contains("evaluation.keep: expected one of last"));
  CHECK_THAT(refused(with(evaluation(", metric: auc"), "every: 1, split", "every: 0, split")),
             Catch::Contains("evaluation.metric: needs evaluations"));
}

TEST_CASE("learning rates by layer are part of a job's digest, and factors that can't be are refused") {
  const auto rates = [](const std::string& value) {
    return with(kSmallJob, "loss: cross_entropy", "loss: cross_entropy\n  learning_rates: " + value);
  };
  const JobSpec job = parsed(rates("{'0': 0.1, '2': 2}"));
  CHECK(job.training.learning_rates == RateFactors{{"0", 0.1}, {"2", 2.0}});
  CHECK(job_digest(job) != job_digest(parsed(kSmallJob)));
  CHECK(job_digest(job) == job_digest(parsed(rates("{'2': 2.0, '0': 0.1}"))));
  CHECK(parsed(canonical_text(job)) == job);
  CHECK(canonical_text(parsed(kSmallJob)).find("learning_rates") == std::string::npos);
  CHECK(parsed(rates("{}")) == parsed(kSmallJob));
  const auto refused = [](const std::string& text) {
    const auto wrong = parse_job(text, "job.yaml");
    REQUIRE_FALSE(wrong);
    CHECK_THAT(wrong.error().message, Catch::StartsWith("job.yaml: training.learning_rates"));
    return wrong.error().message;
  };
  for (const char* factor : {"0", "-1", "1e-7", "1e7", "nan", "inf", "slow", "'1'", "[1]", "{}"})
    CHECK_THAT(refused(rates("{'0': " + std::string(factor) + "}")),
               Catch::Contains("learning_rates.0: expected a number"));
  CHECK_THAT(refused(rates("{'1': 0.1}")), Catch::Contains("found '1', did you mean"));
  CHECK_THAT(refused(rates("['0']")), Catch::Contains("expected a map"));
  CHECK_THAT(refused(with(rates("{'0': 0.1}"), "{linear: 4}]", "{linear: 4}], frozen: ['0']")),
             Catch::Contains("learning_rates.0: has no meaning for a layer that model.frozen names"));
  CHECK(
      parsed(with(rates("{'2': 0.1}"), "{linear: 4}]", "{linear: 4}], frozen: ['0']")).training.learning_rates.size() ==
      1);
}

TEST_CASE("initial weights may name the layers that they don't give, until submit has put a digest in their place") {
  const auto start = [](const std::string& value) {
    return with(kSmallJob, "initial_weights: weights.safetensors", "initial_weights: " + value);
  };
  const JobSpec job = parsed(start("{path: weights.safetensors, replace: ['2', '0']}"));
  CHECK(job.initial_weights == "weights.safetensors");
  CHECK(job.replaced_layers == std::vector<std::string>{"0", "2"});
  CHECK(parsed(canonical_text(job)) == job);
  CHECK(canonical_text(parsed(start("{path: weights.safetensors}"))) == canonical_text(parsed(kSmallJob)));
  CHECK_THAT(
      parse_job(start("{path: w, replace: ['1']}"), "job.yaml").error().message,
      Catch::StartsWith("job.yaml: initial_weights.replace[0]: expected a layer that has parameters, or a common"));
  const std::string digest(64, '1');
  CHECK_THAT(parse_job(start("{sha256: '" + digest + "', replace: ['0']}"), "job.yaml").error().message,
             Catch::StartsWith("job.yaml: initial_weights.replace: only with path, and without sha256"));
  CHECK(parsed(start("{sha256: '" + digest + "'}")).replaced_layers.empty());
}

TEST_CASE("what a job freezes is part of its digest, in whatever order it stands, and need not be said") {
  const auto frozen = [](const std::string& names) {
    return with(kSmallJob, "relu, {linear: 4}]", "relu, {linear: 8}, {linear: 4}], frozen: " + names);
  };
  const JobSpec job = parsed(frozen("['2', '0']"));
  CHECK(job.model.frozen == std::vector<std::string>{"0", "2"});
  CHECK(job_digest(job) == job_digest(parsed(frozen("['0', '2']"))));
  CHECK(job_digest(job) != job_digest(parsed(frozen("['0']"))));
  CHECK(parsed(canonical_text(job)) == job);
  CHECK(canonical_text(parsed(kSmallJob)).find("frozen") == std::string::npos);
  const auto refused = [&](const std::string& names) {
    const auto wrong = parse_job(frozen(names), "job.yaml");
    REQUIRE_FALSE(wrong);
    return wrong.error().message;
  };
  CHECK_THAT(refused("['0', '1']"),
             Catch::StartsWith("job.yaml: model.frozen[1]: expected a layer that has parameters"));
  CHECK_THAT(refused("['0', '2', '3']"),
             Catch::StartsWith("job.yaml: model.frozen: the list names every layer; expected at least one"));
  CHECK_THAT(refused("[]"), Catch::StartsWith("job.yaml: model.frozen: expected a list"));
  // The layout of a round's order covers the remaining layers, and no other order is the job's.
  const auto order = expected_order(job, {"j", SumKind::kTrain, 1, 1}, 10, {});
  const auto whole = expected_order(parsed(with(kSmallJob, "relu, {linear: 4}]", "relu, {linear: 8}, {linear: 4}]")),
                                    {"j", SumKind::kTrain, 1, 1}, 10, {});
  REQUIRE(order);
  REQUIRE(whole);
  CHECK(order->layout.find("parameters.0")->elements == 4 * 8 + 4);
  CHECK(whole->layout.word_count() - order->layout.word_count() == 16 * 8 + 16 + 8 * 16 + 8);
}

TEST_CASE("tasks and losses survive the canonical text, with every default spelled out") {
  const JobSpec job = parsed(with(kSmallJob, "loss: cross_entropy", "loss: {name: focal, gamma: 1.5}") +
                             "task: {name: multi_label, threshold: 0.25}\n");
  CHECK(job.task.kind == task::TaskKind::kMultiLabel);
  CHECK(job.task.calibration_bins == task::kCalibrationBins);
  CHECK(job.training.loss.kind == task::LossKind::kFocal);
  const std::string text = canonical_text(job);
  CHECK(text.find(R"("task":{"calibration_bins":15,"name":"multi_label","threshold":0.25})") != std::string::npos);
  CHECK(text.find(R"("loss":{"alpha":0.25,"gamma":1.5,"name":"focal"})") != std::string::npos);
  CHECK(parsed(text) == job);
  CHECK(parsed(with(kSmallJob, "  loss: cross_entropy\n", "") + "task: multi_label\n").training.loss.kind ==
        task::LossKind::kBinaryCrossEntropy);
}

TEST_CASE("a task or a loss that can't be is refused with its key") {
  const auto refused = [](const std::string& text) {
    const auto job = parse_job(text, "job.yaml");
    REQUIRE_FALSE(job.has_value());
    return job.error().message;
  };
  const auto task = [&](const std::string& value) { return refused(kSmallJob + "task: " + value + "\n"); };
  const auto loss = [&](const std::string& value) {
    return refused(with(kSmallJob, "loss: cross_entropy", "loss: " + value));
  };
  CHECK_THAT(task("regression"), Catch::Contains("job.yaml: task.name: expected one of classification, multi_label"));
  CHECK_THAT(task("{name: classification, threshold: 1}"), Catch::Contains("task.threshold: expected a number from"));
  CHECK_THAT(task("{name: classification, treshold: 0.5}"), Catch::Contains("task.treshold: classification has no"));
  CHECK_THAT(task("{name: classification, calibration_bins: 101}"), Catch::Contains("task.calibration_bins: expected"));
  CHECK_THAT(task("segmentation"), Catch::Contains("task: segmentation needs a model that yields a map of an image"));
  CHECK_THAT(task("detection"), Catch::Contains("task: detection needs a model that yields three outputs"));
  CHECK_THAT(loss("hinge"), Catch::Contains("training.loss.name: expected one of cross_entropy"));
  CHECK_THAT(loss("fcos"), Catch::Contains("training.loss.name: a classification job can have cross_entropy, focal"));
  CHECK_THAT(loss("{name: cross_entropy, class_weights: [1, 2, 3]}"),
             Catch::Contains("training.loss.class_weights: expected one number for each of the 4 classes, found 3"));
  CHECK_THAT(loss("{name: cross_entropy, class_weights: [1, 2, 3, -1]}"),
             Catch::Contains("training.loss.class_weights"));
  CHECK_THAT(loss("{name: cross_entropy, gamma: 2}"), Catch::Contains("training.loss.gamma: cross_entropy has no"));
  CHECK_THAT(loss("{name: focal, gamma: 11}"), Catch::Contains("training.loss.gamma: expected a number from 0 to 10"));
}

TEST_CASE("a job's augmentation is part of its text, an empty one too, and is for images") {
  const std::string images = with(kSmallJob, "{layers: [{linear: 16}, relu, {linear: 4}], input: [8], classes: 4}",
                                  "{layers: [flatten, {linear: 4}], input: [1, 4, 4], classes: 4}");
  const auto job = [&](const std::string& augment) {
    return parse_job(with(images, "dataset: synthetic", "dataset: synthetic, augment: " + augment), "job.yaml");
  };
  const JobSpec turned = job("{rotate: 15, flip: [horizontal]}").value();
  CHECK(turned.data.augment->rotate == 15.0);
  CHECK(parse_job(canonical_text(turned), "job").value() == turned);
  const JobSpec none = job("{}").value();
  CHECK(none.data.augment == task::Augment{});
  CHECK(parse_job(canonical_text(none), "job").value() == none);
  CHECK_THAT(canonical_text(none), Catch::Contains(R"("augment":{})"));
  CHECK_THAT(job("{rotate: 200}").error().message,
             Catch::Contains("data.augment.rotate: expected a number from 0 to 180"));
  CHECK_THAT(parse_job(with(kSmallJob, "dataset: synthetic", "dataset: synthetic, augment: {rotate: 15}"), "job.yaml")
                 .error()
                 .message,
             Catch::Contains("data.augment: only with images"));
}

TEST_CASE("jobs may tell apart as many classes as every other part, and no more") {
  const auto job_of = [](const std::string& classes) {
    return parse_job(
        with(with(kSmallJob, "classes: 4", "classes: " + classes), "{linear: 4}", "{linear: " + classes + "}"),
        "job.yaml");
  };
  const auto most = job_of("1000");
  REQUIRE(most.has_value());
  const auto order = expected_order(*most, {"j", SumKind::kEvaluate, 1, 1}, 1, {});
  REQUIRE(order.has_value());
  CHECK(decode_round_order(encode(*order)).has_value());
  const auto more = job_of("1001");
  REQUIRE_FALSE(more.has_value());
  CHECK_THAT(more.error().message, Catch::Contains("classes: expected an integer 1 to 1000, found 1001"));
}

TEST_CASE("the digest is SHA-256 over the length-prefixed label and text") {
  const JobSpec job = parsed(kSmallJob);
  const std::string label = "consilium/v1/job";
  const std::string text = canonical_text(job);
  const auto prefixed = [](const std::string& part) {
    std::string bytes;
    for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(part.size() >> (8 * i) & 0xFF);
    return bytes + part;
  };
  CHECK(job_digest(job) == crypto::sha256(prefixed(label) + prefixed(text)));
}

TEST_CASE("a job that is not a file says so") {
  const auto missing = read_job("/nonexistent/job.yaml");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find("/nonexistent/job.yaml") != std::string::npos);
}

}  // namespace
}  // namespace consilium::job
