#include "simulation/simulator.h"

#include <cstdlib>
#include <set>
#include <stop_token>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/npz_writer.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/random/random_stream.h"
#include "simulation/site_data.h"
#include "tests/catch.h"
#include "tests/unit/simulation/fixtures.h"

namespace consilium::simulation {
namespace {

std::vector<SimulatedSite> write_simulated_sites(const std::filesystem::path& folder, std::size_t count,
                                                 std::size_t examples = 24) {
  std::vector<SimulatedSite> sites;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "site-" + std::to_string(i);
    // Sites of different sizes, so that weights matter.
    const data::Dataset dataset{
        {4}, 2, points(examples + i, name + "train"), points(6, name + "val"), points(10, name + "test")};
    REQUIRE(data::write_npz(folder / (name + ".npz"), dataset));
    sites.push_back({name, {"npz", (folder / (name + ".npz")).string()}});
  }
  return sites;
}

job::JobSpec spec_of(const std::string& strategy = "{name: fedavg}",
                     const std::string& federation = "{rounds: 4, fraction: 0.5}", const std::string& more = "") {
  const auto spec = job::parse_job(
      "name: points\nmodel: {layers: [{linear: 2}], input: [4], classes: 2}\ndata: {dataset: points}\n"
      "training: {local_epochs: 4, batch_size: 5, optimizer: {name: sgd, learning_rate: 0.1}}\nprivacy: "
      "{secure_aggregation: off}\n"
      "evaluation: {every: 1, split: test}\nseed: 3\nstrategy: " +
          strategy + "\nfederation: " + federation + "\n" + more,
      "job.yaml");
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

std::unique_ptr<Simulator> simulator(unsigned workers, std::vector<std::string> extra = {}) {
  Simulator::Config config;
  config.workers = workers;
  config.trainer.command = {CONSILIUM_BIN_DIR "/consilium-linear-trainer"};
  config.trainer.command.insert(config.trainer.command.end(), extra.begin(), extra.end());
  config.trainer.readable = {std::filesystem::temp_directory_path()};
  config.trainer.require_sandbox = false;
  auto made = Simulator::create(std::move(config));
  REQUIRE(made);
  return std::move(*made);
}

report::JobStatus run(Simulator& simulator, const Simulator::Job& job) {
  const auto status = simulator.federate(job, {}, {});
  if (!status) FAIL(status.error().message);
  return *status;
}

TEST_CASE("a simulated job runs to its end, learns, and reports every round") {
  const Folder folder;
  const auto sim = simulator(2);
  std::size_t changes = 0;
  const Simulator::Job job{spec_of(), {}, write_simulated_sites(folder.path, 6), 0};
  const auto status = sim->federate(job, [&changes](const report::JobStatus&) { ++changes; }, {});
  REQUIRE(status);
  INFO(status->detail);
  CHECK(status->phase == report::JobPhase::kFinished);
  REQUIRE(status->history.size() == 4);
  CHECK(changes > 8);
  CHECK(status->examples == 24 * 6 + 15);
  for (const report::RoundRecord& record : status->history) {
    CHECK(record.cohort.size() == 3);
    CHECK(record.contributed == record.cohort);
    REQUIRE(record.metrics);
    CHECK(record.metrics->examples == 60);
    CHECK(record.site_metrics.size() == 6);
  }
  CHECK(status->history.back().metrics->value_of("accuracy") > 0.75);
  CHECK(status->history.back().metrics->value_of("loss") < status->history.front().metrics->value_of("loss"));
  CHECK(sim->trainer_software().find("consilium-linear-trainer") == 0);
  const auto manifest = model::build_manifest(job.spec.model);
  CHECK(sim->model(*status->model, *manifest)->size() == 10);
}

TEST_CASE("two runs give the same bytes, however many workers there are") {
  const Folder folder;
  const auto sites = write_simulated_sites(folder.path, 7);
  std::set<crypto::Digest> models;
  for (const unsigned workers : {1U, 1U, 2U, 5U}) {
    const auto sim = simulator(workers);
    const auto status = run(*sim, {spec_of(), {}, sites, 0});
    REQUIRE(status.model);
    models.insert(*status.model);
    // Again, with everything warm.
    models.insert(*run(*sim, {spec_of(), {}, sites, 0}).model);
  }
  CHECK(models.size() == 1);
  job::JobSpec other = spec_of();
  other.seed = 4;
  models.insert(*run(*simulator(2), {other, {}, sites, 0}).model);
  CHECK(models.size() == 2);
}

TEST_CASE("weights that the researcher brings are where training starts") {
  const Folder folder;
  const auto sim = simulator(1);
  const Simulator::Job plain{spec_of(), {}, write_simulated_sites(folder.path, 2), 0};
  Simulator::Job job = plain;
  job.initial_weights = ParameterVector(10, 0.25F);
  job.spec.initial_weights_digest = crypto::sha256(std::as_bytes(std::span(job.initial_weights)));
  const auto status = run(*sim, job);
  CHECK(status.phase == report::JobPhase::kFinished);
  CHECK(status.model != run(*sim, plain).model);
}

TEST_CASE("FedAvg drops the work of stragglers, FedProx keeps it") {
  const Folder folder;
  const auto sites = write_simulated_sites(folder.path, 10);
  const std::string federation = "{rounds: 5, fraction: 1.0}";
  const auto sim = simulator(2);
  const auto fedavg = run(*sim, {spec_of("{name: fedavg}", federation), {}, sites, 0.6});
  const auto fedprox = run(*sim, {spec_of("{name: fedprox, mu: 0.1}", federation), {}, sites, 0.6});
  INFO(fedprox.detail);
  REQUIRE(fedavg.history.size() == 5);
  REQUIRE(fedprox.history.size() == 5);
  std::set<std::vector<std::string>> groups;
  for (const report::RoundRecord& record : fedavg.history) {
    CHECK(record.cohort.size() == 10);
    CHECK(record.partial.size() == 6);
    CHECK(record.contributed.size() == 4);
    groups.insert(record.partial);
  }
  CHECK(groups.size() > 1);
  for (const report::RoundRecord& record : fedprox.history) {
    CHECK(record.partial.empty());
    CHECK(record.contributed.size() == 10);
  }
  // Both strategies had the same stragglers. Without the proximal term the only difference is whose work is included.
  const auto none = run(*sim, {spec_of("{name: fedavg}", federation), {}, sites, 0});
  CHECK(none.model != fedavg.model);
}

TEST_CASE("a comparison evaluates alone, ensemble, federated and pooled on everybody's test examples") {
  const Folder folder;
  const auto sim = simulator(2);
  const Simulator::Job job{
      spec_of("{name: fedavg}", "{rounds: 3, sites: [site-0, site-1, site-2], minimum_sites: 2, quorum: 0.6}"),
      {},
      write_simulated_sites(folder.path, 3),
      0};
  const auto pool = write_pool(job.sites, job.spec, folder.path / "pooled.npz");
  REQUIRE(pool);
  const auto status = run(*sim, job);
  std::uint64_t most = 0;
  const auto comparison = sim->compare(job, {true, true, true, true}, *status.model, *pool,
                                       [&most](std::uint64_t done, std::uint64_t total) {
                                         CHECK(total == 12);
                                         most = std::max(most, done);
                                       },
                                       {});
  if (!comparison) FAIL(comparison.error().message);
  CHECK(most == 12);
  REQUIRE(comparison->alone.size() == 3);
  for (const auto& [site, metrics] : comparison->alone) CHECK(metrics.examples == 30);
  REQUIRE(comparison->federated);
  REQUIRE(comparison->pooled);
  CHECK(comparison->pooled->examples == 30);
  // The federated model was evaluated on the same split after its last round, so the sums and numbers are the same.
  CHECK(comparison->federated->value_of("accuracy") == status.history.back().metrics->value_of("accuracy"));
  CHECK(comparison->federated->value_of("loss") ==
        Approx(status.history.back().metrics->value_of("loss")).margin(1e-6));
  CHECK(comparison->federated->value_of("auc") == status.history.back().metrics->value_of("auc"));

  // The ensemble differs from each of the three models, and every value has an interval around it.
  REQUIRE(comparison->ensemble);
  CHECK(comparison->ensemble->examples == 30);
  for (const auto& [site, metrics] : comparison->alone)
    CHECK(comparison->ensemble->value_of("loss") != metrics.value_of("loss"));
  for (const task::Metrics* metrics : {&*comparison->ensemble, &*comparison->federated, &*comparison->pooled}) {
    const task::Metric* accuracy = metrics->find("accuracy");
    REQUIRE(accuracy->interval);
    CHECK(accuracy->interval->low <= accuracy->value);
    CHECK(accuracy->interval->high >= accuracy->value);
    CHECK(accuracy->interval->low < accuracy->interval->high);
  }
  const auto gain = report::gain_of(*comparison);
  REQUIRE(gain);
  REQUIRE(gain->interval);
  CHECK(gain->interval->low <= gain->value);
  CHECK(gain->interval->high >= gain->value);
  CHECK(report::mean_of_alone(*comparison).find("accuracy")->interval);
}

TEST_CASE("an ensemble of detectors is refused before anything trains") {
  const Folder folder;
  const auto sim = simulator(1);
  Simulator::Job job{spec_of("{name: fedavg}", "{rounds: 3}"), {}, write_simulated_sites(folder.path, 2), 0};
  job.spec.task.kind = task::TaskKind::kDetection;
  const auto refused = sim->compare(job, {.alone = true, .ensemble = true}, {}, {}, {}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message.find("leave out 'ensemble'") != std::string::npos);
}

TEST_CASE("a site alone trains as a federation of that one site does") {
  const Folder folder;
  const auto sim = simulator(1);
  const auto sites = write_simulated_sites(folder.path, 2);
  const Simulator::Job both{spec_of("{name: fedavg}", "{rounds: 3}"), {}, sites, 0};
  const Simulator::Job one{spec_of("{name: fedavg}", "{rounds: 3}"), {}, {sites[1]}, 0};
  const auto comparison = sim->compare(both, {.alone = true}, {}, {}, {}, {});
  REQUIRE(comparison);
  CHECK_FALSE(comparison->federated);
  CHECK_FALSE(comparison->pooled);
  const auto evaluated = sim->evaluate(both, job::Split::kTest, {*run(*sim, one).model}, {});
  REQUIRE(evaluated);
  CHECK(evaluated->front().value_of("loss") == Approx(comparison->alone.at("site-1").value_of("loss")).margin(1e-6));
}

TEST_CASE("the sites' own models are counted on the examples of all sites, of those without such a model too") {
  const Folder folder;
  job::JobSpec spec = spec_of("{name: fedavg}", "{rounds: 3, fraction: 0.34}");
  spec.evaluation.alone = true;
  const report::JobStatus status = run(*simulator(1), {spec, {}, write_simulated_sites(folder.path, 3), 0});
  REQUIRE(status.history.size() == 3);
  CHECK(status.history[0].cohort.size() == 1);  // the other two have not trained yet
  for (const report::RoundRecord& record : status.history) {
    REQUIRE(record.metrics);
    REQUIRE(record.alone);
    CHECK(record.alone->examples == record.metrics->examples);
  }
}

TEST_CASE("what a federation that stops early is compared with stops early too") {
  const Folder folder;
  const auto sim = simulator(2);
  const auto sites = write_simulated_sites(folder.path, 2);
  const auto rounds = [&](std::uint32_t patience) {
    job::JobSpec spec = spec_of("{name: fedavg}", "{rounds: 12}");
    spec.evaluation.metric = "accuracy";
    spec.evaluation.patience = patience;
    std::uint64_t last = 0;
    REQUIRE(sim->compare({spec, {}, sites, 0}, {.alone = true}, {}, {},
                         [&](std::uint64_t done, std::uint64_t) { last = done; }, {}));
    return last;
  };
  CHECK(rounds(0) == 24);
  CHECK(rounds(1) < 24);
}

TEST_CASE("a stop finishes the round under way, its evaluation included, and no further one") {
  const Folder folder;
  const auto sim = simulator(2);
  const Simulator::Job job{spec_of("{name: fedavg}", "{rounds: 50}"), {}, write_simulated_sites(folder.path, 3), 0};
  std::stop_source stop;
  const auto status = sim->federate(
      job,
      [&stop](const report::JobStatus& now) {
        if (now.phase == report::JobPhase::kTraining && now.round == 3) stop.request_stop();
      },
      stop.get_token());
  REQUIRE(status);
  CHECK(status->phase == report::JobPhase::kStopped);
  CHECK(status->detail.find("interrupted") != std::string::npos);
  REQUIRE(status->history.size() == 3);
  CHECK(status->history.back().metrics);
  CHECK(status->model == status->history.back().model);
}

TEST_CASE("a stop before the first round ends the job at once") {
  const Folder folder;
  const auto sim = simulator(1);
  std::stop_source stop;
  stop.request_stop();
  const auto status = sim->federate({spec_of(), {}, write_simulated_sites(folder.path, 2), 0}, {}, stop.get_token());
  REQUIRE(status);
  CHECK(status->history.empty());
  CHECK(status->phase != report::JobPhase::kFinished);
}

TEST_CASE("a site whose data can't be read fails alone, and is named") {
  const Folder folder;
  auto sites = write_simulated_sites(folder.path, 3);
  sites[1].data.path = (folder.path / "missing.npz").string();
  const auto status = run(*simulator(2), {spec_of("{name: fedavg}", "{rounds: 2, minimum_sites: 2}"), {}, sites, 0});
  CHECK(status.phase == report::JobPhase::kFinished);
  REQUIRE(status.history.size() == 2);
  CHECK(status.history[0].contributed == std::vector<std::string>{"site-0", "site-2"});
}

TEST_CASE("too few working sites end the job with a reason, without waiting") {
  const Folder folder;
  auto sites = write_simulated_sites(folder.path, 2);
  for (auto& site : sites) site.data.path = (folder.path / "missing.npz").string();
  const auto status = run(*simulator(2), {spec_of(), {}, sites, 0});
  CHECK(status.phase == report::JobPhase::kFailed);
  CHECK_FALSE(status.detail.empty());
}

TEST_CASE("a job with secure aggregation but without its sites' keys is refused as the coordinator refuses it") {
  const Folder folder;
  job::JobSpec spec = spec_of();
  spec.privacy.secure_aggregation = job::SecureAggregation::kRequired;
  spec.strategy.weighting = job::Weighting::kPopulation;
  const auto refused = simulator(1)->federate({spec, {}, write_simulated_sites(folder.path, 1), 0}, {}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == job::check_masked(spec).error().message);
}

TEST_CASE("the arms of a comparison are read by name") {
  const auto arms = parse_arms("alone,pooled");
  REQUIRE(arms);
  CHECK(arms->alone);
  CHECK_FALSE(arms->federated);
  CHECK(arms->pooled);
  const auto ensemble = parse_arms("ensemble,federated");
  REQUIRE(ensemble);
  CHECK(
      (ensemble->ensemble && ensemble->federated && ensemble->alone));  // an ensemble consists of the models of `alone`
  for (const char* text : {"", "alone,", "together", "alone, pooled"}) CHECK_FALSE(parse_arms(text));
}

}  // namespace
}  // namespace consilium::simulation
