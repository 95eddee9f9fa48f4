#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stop_token>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/npz_writer.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/random/random_stream.h"
#include "simulation/simulator.h"
#include "tests/catch.h"
#include "tests/unit/simulation/fixtures.h"

namespace consilium::simulation {
namespace {

/// Sites "a", "b", ... of different sizes.
std::vector<SimulatedSite> write_sites(const std::filesystem::path& folder, std::size_t count) {
  std::vector<SimulatedSite> sites;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    const data::Dataset dataset{
        {4}, 2, points(24 + i, name + "train"), points(6, name + "val"), points(10, name + "test")};
    REQUIRE(data::write_npz(folder / (name + ".npz"), dataset));
    sites.push_back({name, {"npz", (folder / (name + ".npz")).string()}});
  }
  return sites;
}

job::JobSpec parsed(const std::string& federation, const std::string& more) {
  const auto spec = job::parse_job(
      "name: points\nmodel: {layers: [{linear: 2}], input: [4], classes: 2}\ndata: {dataset: points}\n"
      "training: {local_epochs: 2, batch_size: 5, optimizer: {name: sgd, learning_rate: 0.1}}\n"
      "evaluation: {every: 1, split: test}\nseed: 3\nstrategy: {name: fedavg}\nfederation: " +
          federation + "\n" + more,
      "job.yaml");
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

/// Returns a job in mode masked over groups {a, b, c}, {d, e, f, g} and {h, i, j}.
job::JobSpec grouped(const std::string& federation = "{rounds: 3}") {
  const std::vector<std::vector<std::string>> groups{{"a", "b", "c"}, {"d", "e", "f", "g"}, {"h", "i", "j"}};
  std::vector<std::string> sites;
  for (const auto& group : groups) sites.insert(sites.end(), group.begin(), group.end());
  const auto spec =
      job::with_population(parsed(federation, ""), job::simulated_roster(sites), 1, {"points", 40, groups, {}});
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

struct Run {
  report::JobStatus status;
  std::vector<report::MaskingCost> costs;

  [[nodiscard]] std::uint64_t messages(const std::string& step) const {
    for (const report::MaskingCost& cost : costs) {
      if (cost.step == step) return cost.messages;
    }
    return 0;
  }
};

Run attempt(const Simulator::Job& job, unsigned workers = 2) {
  Simulator::Config config;
  config.workers = workers;
  config.trainer.command = {CONSILIUM_BIN_DIR "/consilium-linear-trainer"};
  config.trainer.readable = {std::filesystem::temp_directory_path()};
  config.trainer.require_sandbox = false;
  auto simulator = Simulator::create(std::move(config));
  REQUIRE(simulator);
  Run done;
  const auto status = (*simulator)->federate(job, {}, {}, &done.costs);
  if (!status) FAIL(status.error().message);
  done.status = *status;
  return done;
}

Run run(const Simulator::Job& job, unsigned workers = 2) {
  Run done = attempt(job, workers);
  INFO(done.status.detail);
  CHECK(done.status.phase == report::JobPhase::kFinished);
  return done;
}

TEST_CASE("in mode masked the whole protocol gives the plain sum's model, byte for byte") {
  const Folder folder;
  const auto sites = write_sites(folder.path, 10);
  for (const char* federation : {"{rounds: 3}", "{rounds: 3, fraction: 0.5}"}) {
    const auto plain = run({grouped(federation), {}, sites});
    const auto secure = run({grouped(federation), {}, sites, 0.0, true});
    INFO(federation);
    REQUIRE(plain.status.model);
    CHECK(plain.costs.empty());
    CHECK(secure.status.model == plain.status.model);
    REQUIRE(secure.status.history.size() == 3);
    for (std::size_t round = 0; round < 3; ++round) {
      CHECK(secure.status.history[round].model == plain.status.history[round].model);
      CHECK(secure.status.history[round].contributed == plain.status.history[round].contributed);
      INFO("round " << round);
      REQUIRE(plain.status.history[round].metrics);
      REQUIRE(secure.status.history[round].metrics);
      CHECK(secure.status.history[round].metrics->value_of("loss") ==
            plain.status.history[round].metrics->value_of("loss"));
    }
    CHECK(run({grouped(federation), {}, sites, 0.0, true}, 5).status.model == plain.status.model);
  }
}

TEST_CASE("frozen layers leave no site: a round moves fewer bytes, masked or not, and they stay as they began") {
  const Folder folder;
  // A trainer that writes a change of every parameter, the frozen ones too.
  Simulator::Config config;
  config.workers = 2;
  config.trainer.command = {CONSILIUM_BIN_DIR "/consilium-echo-trainer", "--add", "0.25", "--examples", "10"};
  config.trainer.require_sandbox = false;
  const auto simulator = Simulator::create(std::move(config));
  REQUIRE(simulator);
  const auto sites = write_sites(folder.path, 10);
  const auto federate = [&](const std::vector<std::string>& frozen, bool secure) {
    job::JobSpec spec = grouped("{rounds: 2}");
    spec.model.layers = {model::Linear{.out_features = 3}, model::Linear{.out_features = 2}};
    spec.model.frozen = frozen;
    spec.evaluation.every = 0;
    const auto status = (*simulator)->federate({spec, {}, sites, 0.0, secure}, {}, {});
    if (!status) FAIL(status.error().message);
    INFO(status->detail);
    REQUIRE(status->phase == report::JobPhase::kFinished);
    return std::pair(*status, (*simulator)->model(*status->model, *model::build_manifest(spec.model)).value());
  };
  constexpr std::size_t kFrozen = 3 * 4 + 3;  // weights and biases of the first layer
  for (const bool secure : {false, true}) {
    INFO(secure);
    const auto [whole, moved] = federate({}, secure);
    const auto [part, kept] = federate({"0"}, secure);
    for (std::size_t round = 0; round < 2; ++round) {
      // With masks, the signatures in the messages differ in length by a byte or two.
      const double fewer =
          static_cast<double>(whole.history[round].bytes) - static_cast<double>(part.history[round].bytes);
      CHECK(fewer == Approx(10.0 * kFrozen * sizeof(float)).margin(secure ? 100.0 : 0.0).epsilon(0.0));
    }
    REQUIRE(kept.size() == moved.size());
    CHECK(std::equal(kept.begin() + kFrozen, kept.end(), moved.begin() + kFrozen));
    CHECK_FALSE(std::equal(kept.begin(), kept.begin() + kFrozen, moved.begin()));
    job::JobSpec first = grouped();
    first.model.layers = {model::Linear{.out_features = 3}, model::Linear{.out_features = 2}};
    const auto initial = model::initial_weights(first.model, first.seed).value();
    CHECK(std::equal(kept.begin(), kept.begin() + kFrozen, initial.begin()));
    CHECK(federate({"0"}, !secure).first.model == part.model);
  }
}

TEST_CASE("a simulation whose sites' results can't be used says of which site and why, and has no model") {
  const Folder folder;
  job::JobSpec spec = grouped();
  spec.training.optimizer.learning_rate = 1e5;  // beyond the clip
  for (const bool secure : {false, true}) {
    INFO(secure);
    const Run failed = attempt({spec, {}, write_sites(folder.path, 10), 0.0, secure});
    CHECK(failed.status.phase == report::JobPhase::kFailed);
    INFO(failed.status.detail);
    CHECK_THAT(failed.status.detail, Catch::Contains("a site's result was unusable"));
    CHECK_THAT(failed.status.detail, Catch::Contains("a, train of round 1: ") && Catch::Contains("exceed the clip"));
    CHECK_FALSE(failed.status.model);
  }
}

TEST_CASE("the report has the costs of mode masked by step, in the order of the steps") {
  const Folder folder;
  const auto secure = run({grouped(), {}, write_sites(folder.path, 10), 0.0, true});
  std::vector<std::string> steps;
  for (const report::MaskingCost& cost : secure.costs) {
    steps.push_back(cost.step);
    CHECK(cost.bytes > 0);
    CHECK(cost.seconds > 0);
  }
  CHECK(steps == std::vector<std::string>{"agree", "advertise", "upload", "check", "endorse"});
  CHECK(secure.messages("agree") == 10 * 2 * 3);      // requests, adverts, boxes; and an answer to each
  CHECK(secure.messages("advertise") == 10 * 2 * 7);  // a census, three rounds, three evaluations
  CHECK(secure.messages("upload") == 10 * 7);
  CHECK(secure.messages("check") == 10 * 4);    // evaluations are not endorsed
  CHECK(secure.messages("endorse") == 10 * 8);  // each with the commit that is sent back
}

TEST_CASE("a group in which a site falls silent is summed again over the same vectors, and the model stays the same") {
  const Folder folder;
  const auto sites = write_sites(folder.path, 10);
  const auto whole = run({grouped(), {}, sites, 0.0, true});
  using enum secagg::Phase;
  for (const DropPlan& drops : {DropPlan{{kAdvertising, 1}}, DropPlan{{kUploading, 1}}, DropPlan{{kUploading, 10}},
                                DropPlan{{kAdvertising, 4}, {kUploading, 4}}}) {
    const auto dropped = run({grouped(), {}, sites, 0.0, true, drops});
    CHECK(dropped.status.model == whole.status.model);
    REQUIRE(dropped.status.history.size() == 3);
    for (const report::RoundRecord& record : dropped.status.history) CHECK(record.contributed.size() == 10);
    // Attempts were repeated: in each round some site had to advertise more than once.
    CHECK(dropped.messages("advertise") > whole.messages("advertise"));
    CHECK(dropped.messages("upload") >= whole.messages("upload"));
  }
}

TEST_CASE("a stop finishes the round under way in mode masked too, until it is committed and evaluated") {
  const Folder folder;
  Simulator::Config config;
  config.workers = 2;
  config.trainer.command = {CONSILIUM_BIN_DIR "/consilium-linear-trainer"};
  config.trainer.readable = {std::filesystem::temp_directory_path()};
  config.trainer.require_sandbox = false;
  const auto simulator = Simulator::create(std::move(config));
  REQUIRE(simulator);
  std::stop_source stop;
  const auto status = (*simulator)
                          ->federate(
                              {grouped("{rounds: 50}"), {}, write_sites(folder.path, 10), 0.0, true},
                              [&stop](const report::JobStatus& now) {
                                if (now.phase == report::JobPhase::kTraining && now.round == 2) stop.request_stop();
                              },
                              stop.get_token());
  REQUIRE(status);
  CHECK(status->phase == report::JobPhase::kStopped);
  REQUIRE(status->history.size() == 2);
  CHECK(status->history.back().metrics);
  CHECK(status->model == status->history.back().model);
}

TEST_CASE("steps that mode masked hasn't are refused as dropouts") {
  const auto plan = parse_drop_plan("advertise:1,unmask:2");
  REQUIRE(plan);
  CHECK_FALSE(check_drop_plan(*plan, grouped()));
  CHECK(check_drop_plan(*plan, grouped()).error().message.find("unmask") != std::string::npos);
  CHECK(check_drop_plan(*parse_drop_plan("advertise:1,upload:2"), grouped()));
  CHECK(check_drop_plan(*plan, parsed("{rounds: 1}", "")));
}

TEST_CASE("in mode masked-threshold the whole protocol gives the plain sum's model, with dropouts that reveal too") {
  const Folder folder;
  const auto sites = write_sites(folder.path, 5);
  const auto spec = job::with_roster(parsed("{rounds: 2}", "privacy: {colluding_sites: 1}"),
                                     job::simulated_roster({"a", "b", "c", "d", "e"}));
  if (!spec) FAIL(spec.error().message);
  const auto plain = run({*spec, {}, sites});
  const auto secure = run({*spec, {}, sites, 0.0, true});
  CHECK(secure.status.model == plain.status.model);
  CHECK(run({*spec, {}, sites, 0.0, true, {{secagg::Phase::kUnmasking, 1}}}).status.model == plain.status.model);
  CHECK(secure.messages("unmask") > 0);
}

}  // namespace
}  // namespace consilium::simulation
