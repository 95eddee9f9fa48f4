#include "client/policy/policy.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <fstream>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"

namespace consilium::policy {
namespace {

const std::string kPolicy = R"(researchers: [alice, bob]
datasets: [chest]
tasks: [classification]
strategies: [fedavg]
models: [fedavg_cnn, layers]
max_rounds: 20
max_local_epochs: 2
minimum_cohort: 3
maximum_clip: 16
allow_unmasked: true
)";

/// Returns the example of a job without its masks.
job::JobSpec chest_job() {
  job::JobSpec job = job::without_masks(*job::read_job(CONSILIUM_SOURCE_DIR "/examples/chest-xray.yaml"));
  job.federation.minimum_sites = 3;
  return job;
}

std::size_t parameters_of(const job::JobSpec& job) {
  return model::build_manifest(job.model).value().parameter_count();
}

Policy parsed(const std::string& text) {
  auto policy = parse_policy(text, "policy.yaml");
  INFO((policy ? "" : policy.error().message));
  REQUIRE(policy);
  return *policy;
}

/// Returns `text` with the first `from` replaced. Throws if there is none.
std::string with(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}
std::string with(const std::string& from, const std::string& to) { return with(kPolicy, from, to); }

std::string refusal(const Policy& policy, const job::JobSpec& job, const std::string& researcher = "alice") {
  return texts_of(policy.judge(job, job::job_digest(job), researcher).refusals);
}
/// Returns why a person has to approve the job, which complies with every rule.
std::string approval(const Policy& policy, const job::JobSpec& job, const std::string& researcher = "alice") {
  const Judgement judgement = policy.judge(job, job::job_digest(job), researcher);
  CHECK(judgement.refusals.empty());
  return judgement.approval;
}

TEST_CASE("a job within every rule is accepted") {
  CHECK(refusal(parsed(kPolicy), chest_job()) == "");
  CHECK(refusal(parsed(kPolicy), chest_job(), "bob") == "");
  CHECK(refusal(parsed(with("models: [fedavg_cnn, layers]\n", "")), chest_job()) == "");
  CHECK(refusal(parsed(with("maximum_clip: 16\n", "")), chest_job()) == "");
}

TEST_CASE("each rule refuses by itself, and the refusal names it") {
  const Policy policy = parsed(kPolicy);
  const auto refused = [&](auto change) {
    job::JobSpec job = chest_job();
    change(job);
    const std::string message = refusal(policy, job);
    CHECK(message.find(';') == std::string::npos);
    return message;
  };
  CHECK(refused([](auto& job) { job.data.dataset = "ct"; }).find("datasets: 'ct' (the policy lists chest)") !=
        std::string::npos);
  CHECK(refused([](auto& job) { job.strategy.kind = job::StrategyKind::kFedProx; }).find("strategies: 'fedprox'") !=
        std::string::npos);
  CHECK(refused([](auto& job) { job.model.name = "resnet18"; }).find("models: 'resnet18'") != std::string::npos);
  CHECK(refused([](auto& job) { job.federation.rounds = 21; }).find("max_rounds: 21 (the policy allows at most 20)") !=
        std::string::npos);
  CHECK(refused([](auto& job) { job.training.local_epochs = 3; }).find("max_local_epochs: 3") != std::string::npos);
  CHECK(refused([](auto& job) {
          job.federation.minimum_sites = 2;
        }).find("minimum_cohort: a round may sum as few as 2") != std::string::npos);
  CHECK(refused([](auto& job) { job.federation.quorum = 0.5; }).find("minimum_cohort") != std::string::npos);
  CHECK(refused([](auto& job) { job.federation.fraction = 0.5; }).find("minimum_cohort") != std::string::npos);
  CHECK(refused([](auto& job) { job.privacy.clip = 32; }).find("maximum_clip: 32") != std::string::npos);
  CHECK(refusal(parsed(with("allow_unmasked: true", "allow_unmasked: false")), chest_job()).find("allow_unmasked") !=
        std::string::npos);
  job::JobSpec masked = chest_job();
  masked.privacy.secure_aggregation = job::SecureAggregation::kRequired;
  CHECK(refusal(parsed(with("allow_unmasked: true", "allow_unmasked: false")), masked) == "");
}

TEST_CASE("a job of a task that the policy doesn't list is declined, and each task can be listed") {
  for (const task::TaskKind kind : {task::TaskKind::kClassification, task::TaskKind::kMultiLabel,
                                    task::TaskKind::kSegmentation, task::TaskKind::kDetection}) {
    job::JobSpec job = chest_job();
    job.task = task::default_task(kind);
    const std::string name(task::name_of(kind));
    CHECK(refusal(parsed(with("[classification]", "[" + name + "]")), job) == "");
    CHECK(refusal(parsed(with("[classification]", "[multi_label, segmentation, detection, classification]")), job) ==
          "");
    const std::string other = kind == task::TaskKind::kDetection ? "segmentation" : "detection";
    CHECK(refusal(parsed(with("[classification]", "[" + other + "]")), job) ==
          "tasks: '" + name + "' (the policy lists " + other + ")");
  }
}

TEST_CASE("a refusal names every rule that refused, and its keys hold no value") {
  job::JobSpec job = chest_job();
  job.data.dataset = "ct";
  job.federation.rounds = 1000;
  job.training.local_epochs = 50;
  const Judgement judgement = parsed(kPolicy).judge(job, job::job_digest(job), "alice");
  CHECK(keys_of(judgement.refusals) == "datasets, max_rounds, max_local_epochs");
  const std::string message = texts_of(judgement.refusals);
  for (const char* part : {"datasets: 'ct'", "max_rounds: 1000", "max_local_epochs: 50"}) {
    CHECK(message.find(part) != std::string::npos);
  }
  CHECK(message.find("strategies") == std::string::npos);
}

TEST_CASE("a policy accepts nothing where it is empty, and every rule that is left out refuses") {
  for (const Policy& policy :
       {Policy(), parsed(""), parsed("{}"), parsed("# nothing yet\n"), parsed("accept_digests: []\n")}) {
    const std::string message = refusal(policy, chest_job());
    for (const char* rule :
         {"datasets", "tasks", "strategies", "max_rounds", "max_local_epochs", "minimum_cohort", "allow_unmasked"}) {
      CHECK(message.find(rule) != std::string::npos);
    }
    CHECK(policy.sandbox_required());
  }
  for (const char* rule :
       {"datasets: [chest]\n", "tasks: [classification]\n", "strategies: [fedavg]\n", "max_rounds: 20\n",
        "max_local_epochs: 2\n", "minimum_cohort: 3\n", "allow_unmasked: true\n"}) {
    const std::string text = rule;
    CHECK(refusal(parsed(with(text, "")), chest_job()).find(text.substr(0, text.find(':')) + ":") != std::string::npos);
  }
}

TEST_CASE("a listed digest is accepted as it stands, and no other job is") {
  job::JobSpec job = chest_job();
  const Policy policy =
      parsed("allow_unmasked: true\naccept_digests: [" + crypto::to_hex(job::job_digest(job)) + "]\n");
  CHECK(approval(policy, job, "anyone") == "");
  job.seed += 1;
  CHECK(refusal(policy, job, "anyone") != "");
}

TEST_CASE("a listed digest doesn't bring in a job without masks, nor a model that is too large") {
  job::JobSpec job = chest_job();
  const std::string listed = "accept_digests: [" + crypto::to_hex(job::job_digest(job)) + "]\n";
  CHECK(keys_of(parsed(listed).judge(job, job::job_digest(job), "alice").refusals) == "allow_unmasked");
  CHECK(refusal(parsed(listed + "allow_unmasked: true\nmax_parameters: 1000\n"), job)
            .find(fmt::format("max_parameters: {} (the policy allows at most 1000)", parameters_of(job))) !=
        std::string::npos);
}

TEST_CASE("a job within every rule waits for a person, unless its researcher is listed") {
  CHECK(approval(parsed(kPolicy), chest_job(), "mallory") == "the policy accepts no job of 'mallory' without approval");
  CHECK(approval(parsed(with("researchers: [alice, bob]\n", "")), chest_job()) ==
        "the policy accepts no job of 'alice' without approval");
  job::JobSpec job = chest_job();
  SECTION("weights of a listed researcher's own wait, too") {
    job.initial_weights_digest = crypto::sha256("weights");
    CHECK(approval(parsed(kPolicy), job) == "it starts from weights of the researcher's own");
  }
  SECTION("layers of a listed researcher's own wait, too") {
    job.model.name.clear();
    CHECK(approval(parsed(kPolicy), job) == "its model is a list of the researcher's own layers");
  }
  SECTION("a digest that the file lists was approved by whoever wrote it there") {
    job.initial_weights_digest = crypto::sha256("weights");
    CHECK(approval(parsed(kPolicy + "accept_digests: [" + crypto::to_hex(job::job_digest(job)) + "]\n"), job) == "");
  }
}

TEST_CASE("a policy pins what a job may choose") {
  job::JobSpec job = chest_job();
  job.training.batch_size = 32;
  job.training.optimizer.learning_rate = 0.1;
  CHECK(refusal(parsed(kPolicy + "batch_size: {at_least: 32, at_most: 32}\nlearning_rate: {at_least: 0.1}\n"), job) ==
        "");
  CHECK(refusal(parsed(kPolicy + "batch_size: {at_least: 33}\n"), job) ==
        "batch_size: 32 (the policy allows at least 33)");
  CHECK(refusal(parsed(kPolicy + "batch_size: {at_most: 31}\n"), job) ==
        "batch_size: 32 (the policy allows at most 31)");
  CHECK(refusal(parsed(kPolicy + "learning_rate: {at_most: 0.05}\n"), job) ==
        "learning_rate: 0.1 (the policy allows at most 0.05)");
  // Every round's learning rate counts, because a schedule can leave the range.
  job.training.schedule = {job::ScheduleKind::kStep, 1, 0.1, 0.0};
  CHECK(refusal(parsed(kPolicy + "learning_rate: {at_least: 0.05}\n"), job).starts_with("learning_rate: 1"));
  const std::size_t size = parameters_of(job);
  CHECK(refusal(parsed(kPolicy + fmt::format("max_parameters: {}\n", size)), job) == "");
  CHECK(refusal(parsed(kPolicy + fmt::format("max_parameters: {}\n", size - 1)), job) ==
        fmt::format("max_parameters: {} (the policy allows at most {})", size, size - 1));
  CHECK(parsed(kPolicy + "maximum_sums: 400\n").rules().maximum_sums == 400U);
}

TEST_CASE("the smallest cohort is what a job can promise") {
  job::JobSpec job;
  job.privacy.secure_aggregation = job::SecureAggregation::kOff;
  job::FederationSpec& federation = job.federation;
  federation.minimum_sites = 3;
  CHECK(fewest_updates(job) == 3);
  federation.quorum = 0.75;
  CHECK(fewest_updates(job) == 3);
  federation.quorum = 0.5;
  CHECK(fewest_updates(job) == 2);
  federation.fraction = 0.3334;
  CHECK(fewest_updates(job) == 1);
  federation.fraction = 0.001;
  CHECK(fewest_updates(job) == 1);
}

/// Returns a masked job of ten sites, three of which may collude.
job::JobSpec masked_job() {
  job::JobSpec job = chest_job();
  job.privacy.secure_aggregation = job::SecureAggregation::kRequired;
  job.federation.sites = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  return job;
}

TEST_CASE("what a masked job promises is the threshold of the smallest cohort that its sites accept") {
  job::JobSpec job = masked_job();
  CHECK(fewest_updates(job) == 6);
  job.federation.quorum = 0.1;  // only the coordinator keeps the quorum, so it is no promise
  job.federation.minimum_sites = 10;
  CHECK(fewest_updates(job) == 6);
  job.privacy.colluding_sites = 1;
  CHECK(fewest_updates(job) == 3);
  CHECK(refusal(parsed(kPolicy), job) == "");
  CHECK(refusal(parsed(with("minimum_cohort: 3", "minimum_cohort: 4")), job)
            .find("minimum_cohort: a round may sum as few as 3 updates (colluding_sites 1), but the policy requires at "
                  "least 4 (minimum_survivors lets this site insist on more)") != std::string::npos);
}

TEST_CASE("a site that insists on more survivors has its minimum cohort, and declines what can't reach it") {
  const std::string insists = with("minimum_cohort: 3", "minimum_cohort: 8\nminimum_survivors: 8");
  CHECK(parsed(insists).rules().minimum_survivors == 8U);
  CHECK(refusal(parsed(insists), masked_job()) == "");
  job::JobSpec small = masked_job();
  small.federation.sites.resize(7);
  CHECK(refusal(parsed(insists), small)
            .find("minimum_survivors: 8 (but a round or a count group of the job sums at most 7)") !=
        std::string::npos);
  // Only the coordinator sees unmasked sums, so a site has no means to insist on anything.
  CHECK(refusal(parsed(insists), chest_job()).find("minimum_cohort: a round may sum as few as 3") != std::string::npos);
}

TEST_CASE("a second list of survivors is answered only where the policy says so") {
  CHECK_FALSE(parsed(kPolicy).rules().allow_changed_cohort);
  CHECK_FALSE(parsed(kPolicy).rules().minimum_survivors);
  CHECK(parsed(kPolicy + "allow_changed_cohort: true\n").rules().allow_changed_cohort);
}

TEST_CASE("a job whose updates are rounded to few values waits for a person, though its researcher is listed") {
  const Policy policy = parsed(with("maximum_clip: 16\n", ""));
  job::JobSpec job = masked_job();
  CHECK(approval(policy, job) == "");
  SECTION("by a large clip") {
    job.privacy.clip = 1 << 20;
    CHECK_THAT(approval(policy, job), Catch::StartsWith("with a clip of 1048576, a learning rate of 0.02 and 10 "
                                                        "hospitals, updates are rounded to few values"));
  }
  SECTION("by a learning rate that is small, in a round that is not the first") {
    job.training.schedule = {job::ScheduleKind::kStep, 1, 1e-4, 0.0};
    job.federation.rounds = 2;
    CHECK_THAT(approval(policy, job),
               Catch::Contains("a learning rate of 2.0") && Catch::Contains("e-06 and 10 hospitals"));
  }
  SECTION("by a learning rate that is small in one layer") {
    job.training.learning_rates = {{"conv1", 1e-4}};
    CHECK_THAT(approval(policy, job),
               Catch::Contains("a learning rate of 2") && Catch::Contains("e-06 and 10 hospitals"));
  }
  SECTION("by a gradient clip that keeps steps small") {
    job.training.gradient_clip = 1.0;
    CHECK(approval(policy, job) == "");
    job.training.gradient_clip = 1e-4;
    CHECK_THAT(approval(policy, job), Catch::Contains("steps of 2") &&
                                          Catch::Contains("(a learning rate of 0.02, gradients clipped to 0.0001)"));
  }
  SECTION("in the running statistics") {
    job.privacy.buffer_clip = 1 << 20;
    CHECK_THAT(approval(policy, job), Catch::StartsWith("with a buffer_clip of 1048576, running statistics"));
  }
  job.privacy.secure_aggregation = job::SecureAggregation::kOff;
  CHECK(approval(policy, job) == "");  // the coordinator sees each update in the clear
}

TEST_CASE("a masked job that trains few parameters waits for a person, though its researcher is listed") {
  const Policy policy = parsed(kPolicy);
  job::JobSpec job = masked_job();
  CHECK(approval(policy, job) == "");
  job.model.frozen = {"conv1", "conv2", "fc1"};  // fc2 has 512 weights and a bias for each class
  CHECK_THAT(approval(policy, job), Catch::StartsWith("an update of 1026 parameters is too small to check"));
  job.model.frozen = {"conv1", "conv2", "fc2"};
  CHECK(approval(policy, job) == "");
  job.model.frozen = {"conv1", "conv2", "fc1"};
  job.privacy.secure_aggregation = job::SecureAggregation::kOff;
  CHECK(approval(policy, job) == "");  // the coordinator sees each update in the clear
}

TEST_CASE("a job whose loss looks at few images alone waits for a person, though its researcher is listed") {
  const Policy policy = parsed(with("[classification]", "[classification, multi_label]"));
  job::JobSpec job = GENERATE(0, 1) == 0 ? chest_job() : masked_job();
  task::LossSpec& loss = job.training.loss;
  const auto waits = [&](const std::string& why) { CHECK_THAT(approval(policy, job), Catch::Contains(why)); };
  const auto accepted = [&] { CHECK(approval(policy, job) == ""); };
  SECTION("class weights") {
    for (const std::vector<double>& weights : std::vector<std::vector<double>>{{}, {1, 1}, {0.1, 10}, {100, 1}}) {
      loss.class_weights = weights;
      accepted();
    }
    for (const std::vector<double>& weights :
         std::vector<std::vector<double>>{{1, 0}, {1, 101}, {0.1, 11}, {0.001, 0.001}, {1e6, 1e6}}) {
      loss.class_weights = weights;
      waits("make updates depend on the images of few classes");
    }
  }
  SECTION("gamma") {
    loss.kind = task::LossKind::kFocal;
    loss.gamma = 5;
    accepted();
    loss.gamma = 5.5;
    waits("with a gamma of 5.5");
  }
  SECTION("alpha") {
    job.task = task::default_task(task::TaskKind::kMultiLabel);
    loss.kind = task::LossKind::kFocal;
    loss.alpha = GENERATE(0.0, 1.0);
    waits("with an alpha of");
    loss.alpha = 0.75;
    accepted();
  }
  SECTION("label_smoothing") {
    loss.label_smoothing = 0.1;
    accepted();
    loss.label_smoothing = 0.9;
    waits("with a label_smoothing of 0.9");
  }
  SECTION("normalize") {
    job.data.normalize = job::Normalization{{0.5}, {0.25}};
    accepted();
    job.data.normalize->std = {GENERATE(1e-12, 1e30)};
    waits("images are divided by");
  }
}

TEST_CASE("without a policy file there is no participation, and the error says what to create") {
  const auto policy = read_policy("/nonexistent/policy.yaml");
  REQUIRE_FALSE(policy);
  CHECK(policy.error().code == ErrorCode::kNotFound);
  CHECK(policy.error().message.find("/nonexistent/policy.yaml") != std::string::npos);
  CHECK(policy.error().message.find("create it") != std::string::npos);
}

TEST_CASE("the commented example of a policy lets a person decide about the example job") {
  const auto policy = read_policy(CONSILIUM_SOURCE_DIR "/configs/policy.yaml");
  INFO((policy ? "" : policy.error().message));
  REQUIRE(policy);
  const auto example = job::read_job(CONSILIUM_SOURCE_DIR "/examples/chest-xray.yaml");
  REQUIRE(example);
  CHECK_FALSE(approval(*policy, *example).empty());
  CHECK(refusal(*policy, chest_job()).find("allow_unmasked") != std::string::npos);
  CHECK(policy->sandbox_required());
}

TEST_CASE("the sandbox is required unless the policy says otherwise") {
  CHECK_FALSE(parsed("sandbox: optional\n").sandbox_required());
  CHECK(parsed("sandbox: required\n").sandbox_required());
}

TEST_CASE("a malformed policy is an error, never a policy") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> keys{
      {"researchers: [alice, bob]", {"alice", "[Alice]", "[alice, alice]", "{}", "['*']", "[[alice]]", "[null]"}},
      {"datasets: [chest]", {"chest", "['*']", "{}", "[a_b]"}},
      {"tasks: [classification]", {"classification", "[regression]", "{}", "[1]", "[classification, classification]"}},
      {"strategies: [fedavg]", {"fedavg", "[fedsgd]", "{}", "[[fedavg]]", "['*']"}},
      {"models: [fedavg_cnn, layers]", {"[]", "[gpt]", "fedavg_cnn", "{}"}},
      {"max_rounds: 20", {"0", "-1", "1.5", "many", "'20'", "[20]", "{}", "99999999999"}},
      {"max_local_epochs: 2", {"0", "-1", "1.5", "many", "'2'", "[2]", "{}"}},
      {"minimum_cohort: 3", {"0", "-1", "1.5", "many", "'3'", "[3]", "{}"}},
      {"maximum_clip: 16", {"0", "-1", "nan", "inf", "many", "'16'", "[16]"}},
      {"minimum_survivors: 3", {"0", "-1", "1.5", "256", "many", "'3'", "[3]", "{}"}},
      {"max_parameters: 1000", {"0", "-1", "1.5", "many", "'3'", "[3]", "{}"}},
      {"maximum_sums: 1000", {"0", "-1", "1.5", "many", "'3'", "[3]", "{}"}},
      {"batch_size: {at_least: 1}", {"0", "[1]", "{}", "{at_last: 1}", "{at_least: 0}", "{at_least: 2, at_most: 1}"}},
      {"learning_rate: {at_most: 1}", {"0", "[1]", "{}", "{at_most: x}", "{at_most: 0}", "{at_least: 2, at_most: 1}"}},
      {"allow_changed_cohort: false", {"yes", "on", "1", "'true'", "True", "[true]", "{}"}},
      {"allow_unmasked: true", {"yes", "on", "1", "'true'", "True", "[true]", "{}"}}};
  for (const auto& [written, wrongs] : keys) {
    const std::string key = written.substr(0, written.find(':'));
    for (const std::string& wrong : wrongs) {
      const std::string text = kPolicy.find(written) == std::string::npos ? kPolicy + written + "\n" : kPolicy;
      const auto policy = parse_policy(with(text, written, key + ": " + wrong), "policy.yaml");
      INFO(key << ": " << wrong);
      REQUIRE_FALSE(policy);
      CHECK(policy.error().message.starts_with("policy.yaml: " + key));
    }
  }
  for (const char* more :
       {"sandbox: false\n", "sandbox: off\n", "sandbox: [optional]\n", "accept_digests: x\n", "accept_digests: [x]\n",
        "accept_digests: [00]\n", "accept_digest: []\n", "allow_unmaskd: true\n", "researchers: [eve]\n"}) {
    INFO(more);
    CHECK_FALSE(parse_policy(kPolicy + more, "policy.yaml"));
  }
  CHECK(parse_policy("max_round: 3\n", "policy.yaml").error().message ==
        "policy.yaml: max_round: unknown key; did you mean 'max_rounds'? (line 1)");
}

}  // namespace
}  // namespace consilium::policy
