#include "common/report/report_files.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "tests/catch.h"
#include "tests/unit/common/report/edit_record.h"
#include "tests/unit/common/report/report_job.h"

namespace consilium::report {
namespace {

constexpr const char* kJob = R"(
name: tiny
model: {layers: [{linear: 2}], input: [3], classes: 2}
data: {dataset: tiny}
training: {local_epochs: 2, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.01}}
federation: {rounds: 2}
strategy: {name: fedavg}
privacy: {secure_aggregation: off}
evaluation: {every: 2, split: val}
seed: 1
)";

task::Metrics metrics_of(double accuracy) {
  task::Metrics metrics;
  metrics.examples = 10;
  metrics.values = {{"loss", 0.5, 0.0, false}, {"accuracy", accuracy}, {"auc", accuracy + 0.05, 0.01}};
  metrics.tables = {{"confusion", 2, 2, {4, 1, 2, 3}}};
  return metrics;
}

Report example_report() {
  Report report;
  report.spec = *job::parse_job(kJob, "job.yaml");
  report.status.job_id = "tiny-1";
  report.status.phase = JobPhase::kFinished;
  report.status.rounds = 2;
  for (std::uint32_t i = 1; i <= 2; ++i) {
    RoundRecord record;
    record.round = i;
    record.cohort = {"a", "b"};
    record.contributed = {"a"};
    record.seconds = 1.5;
    record.bytes = 1000;
    record.clipped = i;
    record.coordinates = 8;
    if (i == 2) {
      record.train_loss = 0.25;
      record.metrics = metrics_of(0.7);
      record.site_metrics["a"] = metrics_of(0.6);
      record.evaluation_failed["b"] = "evaluation failed: out of memory";
    }
    report.status.history.push_back(record);
  }
  report.comparison.alone = {{"a", metrics_of(0.5)}, {"b", metrics_of(0.7)}};
  report.comparison.pooled = metrics_of(0.9);
  report.versions = {{"consilium", "0.1.0"}};
  return report;
}

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "report-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

TEST_CASE("report.json has each round's evaluation under the name of its split") {
  const auto json = nlohmann::json::parse(report_json(example_report()));
  REQUIRE(json.at("rounds").size() == 2);
  const auto& first = json["rounds"][0];
  const auto& second = json["rounds"][1];
  CHECK(first.at("round") == 1);
  CHECK(first.at("cohort") == nlohmann::json({"a", "b"}));
  CHECK(first.at("seconds") == 1.5);
  CHECK(first.at("bytes") == 1000);
  CHECK(first.at("train_loss").is_null());
  CHECK_FALSE(first.contains("val"));
  CHECK(second.at("train_loss") == 0.25);
  CHECK(second.at("val").at("accuracy") == 0.7);
  CHECK(second["val"].at("loss") == 0.5);
  CHECK(second["val"].at("auc") == Approx(0.75));
  CHECK(second["val"].at("auc_error") == 0.01);
  CHECK_FALSE(second["val"].contains("accuracy_error"));
  CHECK(second["val"].at("examples") == 10);
  CHECK(second["val"].at("confusion") == nlohmann::json({4, 1, 2, 3}));
  CHECK(json.at("metrics").at("loss").at("higher_is_better") == false);
  CHECK(json["metrics"].at("auc").at("higher_is_better") == true);
  CHECK(second["val"].at("sites").at("a").at("accuracy") == 0.6);
  CHECK(first.at("evaluation_failed").empty());
  CHECK(second.at("evaluation_failed") == nlohmann::json({{"b", "evaluation failed: out of memory"}}));
  CHECK(json.at("clipped").at("coordinates") == 3);
  CHECK(json["clipped"].at("of") == 16);
  CHECK(json.at("versions").at("consilium") == "0.1.0");
  CHECK(json.at("job").at("name") == "tiny");
  CHECK(json.at("comparison").at("alone").at("accuracy") == Approx(0.6));
  CHECK(json["comparison"]["alone"].at("sites").at("b").at("accuracy") == 0.7);
  CHECK(json["comparison"].at("pooled").at("accuracy") == 0.9);
  CHECK_FALSE(json["comparison"].contains("federated"));
}

TEST_CASE("report.json has the intervals of a comparison, and what the federation gained") {
  Report report = example_report();
  report.comparison.ensemble = metrics_of(0.65);
  report.comparison.federated = metrics_of(0.8);
  report.comparison.federated->values[1].interval = task::Interval{0.7, 0.85};
  report.comparison.alone_intervals["accuracy"] = {0.5, 0.7};
  report.comparison.gain_intervals["accuracy"] = {0.125, 0.25};
  const auto comparison = nlohmann::json::parse(report_json(report)).at("comparison");
  CHECK(comparison.at("ensemble").at("accuracy") == 0.65);
  CHECK(comparison.at("federated").at("accuracy_interval") == nlohmann::json({0.7, 0.85}));
  CHECK_FALSE(comparison["federated"].contains("auc_interval"));
  CHECK(comparison.at("alone").at("accuracy_interval") == nlohmann::json({0.5, 0.7}));
  CHECK(comparison.at("gain").at("metric") == "accuracy");
  CHECK(comparison["gain"].at("value") == Approx(0.2));
  CHECK(comparison["gain"].at("interval") == nlohmann::json({0.125, 0.25}));
}

TEST_CASE(
    "report.json names the best round by the job's metric, the first of several, and none where rounds aren't "
    "compared") {
  Report report = example_report();
  CHECK(nlohmann::json::parse(report_json(report)).at("best_round").is_null());
  report.status.history.clear();
  std::uint32_t round = 0;
  for (const double accuracy : {0.5, 0.75, 0.25, 0.75, 0.625}) {
    RoundRecord record;
    record.round = ++round;
    record.model = crypto::sha256(std::to_string(round));
    record.metrics = metrics_of(accuracy);
    record.metrics->values[0].value = std::abs(accuracy - 0.5);  // the loss, where less is better
    if (round == 2) record.metrics->values.pop_back();           // no AUC
    report.status.history.push_back(record);
  }
  RoundRecord unevaluated;
  unevaluated.round = ++round;
  report.status.history.push_back(unevaluated);
  const auto best = [&](const std::string& metric) {
    report.spec.evaluation.metric = metric;
    return nlohmann::json::parse(report_json(report)).at("best_round");
  };
  CHECK(best("accuracy") ==
        nlohmann::json{
            {"round", 2}, {"metric", "accuracy"}, {"value", 0.75}, {"model", crypto::to_hex(crypto::sha256("2"))}});
  CHECK(best("loss").at("round") == 1);
  CHECK(best("auc").at("round") == 4);
}

TEST_CASE("a report without a comparison says null, and survives texts that aren't UTF-8") {
  Report report = example_report();
  report.comparison = {};
  edit_record(report.status.history, 0, [&](RoundRecord& record) { record.failed["a"] = "bad \xff bytes"; });
  const auto json = nlohmann::json::parse(report_json(report));
  CHECK(json.at("comparison").is_null());
}

TEST_CASE("report.json says whether the job's sums were masked") {
  Report report = example_report();
  CHECK(nlohmann::json::parse(report_json(report)).at("secure_aggregation") == "off");
  report.spec.privacy.secure_aggregation = job::SecureAggregation::kRequired;
  CHECK(nlohmann::json::parse(report_json(report)).at("secure_aggregation") == "required");
}

TEST_CASE("metrics.csv has as many fields in every row, empty where nothing was measured") {
  Report report = example_report();
  edit_record(report.status.history, 0, [](RoundRecord& record) {
    record.started_seconds = 1'795'024'100;
    record.ended_seconds = 1'795'024'102;
  });
  const std::string csv = metrics_csv(report);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < csv.size();) {
    const std::size_t end = csv.find('\n', at);
    lines.push_back(csv.substr(at, end - at));
    at = end + 1;
  }
  REQUIRE(lines.size() == 3);
  for (const std::string& line : lines) CHECK(std::ranges::count(line, ',') == std::ranges::count(lines[0], ','));
  CHECK(lines[0] ==
        "round,cohort,contributed,seconds,bytes,train_loss,loss,accuracy,auc,auc_error,examples,clipped,started,ended");
  CHECK(lines[1] == "1,2,1,1.5,1000,,,,,,,1,2026-11-18T17:48:20Z,2026-11-18T17:48:22Z");
  CHECK(lines[2].starts_with("2,2,1,1.5,1000,0.25,0.5,0.7,0.75,0.01,10,2"));
}

TEST_CASE("report.json says in UTC when the job was submitted, began and ended, and when each round did") {
  Report report = example_report();
  const auto untold = nlohmann::json::parse(report_json(report));
  for (const char* key : {"submitted", "started", "ended"}) CHECK(untold.at(key).is_null());
  CHECK(untold.at("rounds")[0].at("started").is_null());
  report.status.submitted_seconds = 1'795'024'000;
  report.status.started_seconds = 1'795'024'090;
  report.status.ended_seconds = 1'795'024'800;
  edit_record(report.status.history, 0, [](RoundRecord& record) {
    record.started_seconds = 1'795'024'100;
    record.ended_seconds = 1'795'024'102;
  });
  const auto json = nlohmann::json::parse(report_json(report));
  CHECK(json.at("submitted") == "2026-11-18T17:46:40Z");
  CHECK(json.at("started") == "2026-11-18T17:48:10Z");
  CHECK(json.at("ended") == "2026-11-18T18:00:00Z");
  CHECK(json.at("rounds")[0].at("started") == "2026-11-18T17:48:20Z");
  CHECK(json.at("rounds")[0].at("ended") == "2026-11-18T17:48:22Z");
}

TEST_CASE("the curves show loss and metric, with comparisons as levels") {
  const std::string svg = curves_svg(example_report());
  for (const char* text :
       {"val, global model", "accuracy, mean of the sites alone (test)", "accuracy, pooled (test)", "AUC"}) {
    CHECK(svg.find(text) != std::string::npos);
  }
}

TEST_CASE("every view takes whatever metrics there are, by name") {
  Report report = example_report();
  task::Metrics metrics;
  metrics.examples = 3;
  metrics.values = {{"loss", 0.3, 0.0, false}, {"dice", 0.8, 0.001}, {"hd95", 4.0, 0.1, false}};
  edit_record(report.status.history, 0, [&](RoundRecord& record) { record.metrics = metrics; });
  metrics.values.erase(metrics.values.begin() + 2);  // no case had a distance
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.metrics = metrics; });
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.site_metrics.clear(); });
  report.comparison.alone = {{"a", report.status.history[0].metrics.value()}, {"b", metrics}};
  report.comparison.pooled.reset();
  const std::string csv = metrics_csv(report);
  CHECK(csv.find(",train_loss,loss,dice,dice_error,hd95,hd95_error,examples,clipped,started,ended\n") !=
        std::string::npos);
  CHECK(csv.find(",0.3,0.8,0.001,4,0.1,3,1,,\n") != std::string::npos);
  CHECK(csv.find(",0.3,0.8,0.001,,,3,2,,\n") != std::string::npos);
  const std::string svg = curves_svg(report);
  CHECK(svg.find("dice, mean of the sites alone (test)") != std::string::npos);
  CHECK(svg.find("HD95") != std::string::npos);
  CHECK(svg.find("accuracy") == std::string::npos);
  const auto json = nlohmann::json::parse(report_json(report));
  CHECK(json["metrics"].at("hd95").at("higher_is_better") == false);
  CHECK(json["comparison"]["alone"].at("dice") == Approx(0.8));
  CHECK(json["comparison"]["alone"].at("hd95") == Approx(4.0));  // of the only site that has it
}

TEST_CASE("a report folder holds the model and its four files, and nothing half-written") {
  const Folder folder;
  const Report report = example_report();
  const ParameterManifest manifest = *model::build_manifest(report.spec.model);
  const ParameterVector weights = *model::initial_weights(report.spec.model, 1);
  REQUIRE(write_report_folder(folder.path / "deep" / "out", report, manifest, weights));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path / "deep" / "out"))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  CHECK(names ==
        std::vector<std::string>{"curves.svg", "metrics.csv", "model.safetensors", "report.html", "report.json"});
  CHECK(*read_safetensors(folder.path / "deep" / "out" / kModelFile, manifest) == weights);

  // A report without a model must not lie beside the model of an earlier one.
  REQUIRE(write_report_folder(folder.path / "deep" / "out", report, manifest, {}));
  CHECK_FALSE(std::filesystem::exists(folder.path / "deep" / "out" / kModelFile));
  CHECK(std::filesystem::exists(folder.path / "deep" / "out" / kReportFile));

  std::ofstream(folder.path / "file") << "x";
  const auto refused = write_report_folder(folder.path / "file", report, manifest, weights);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("file") != std::string::npos);
}

TEST_CASE("report.json says what each site did, also of those that took no part") {
  Report report;
  report.spec = job::parse_job(kReportJob, "job.yaml").value();
  report.status.sites = {{"north", "idle"}, {"south", "declined: datasets"}};
  const auto json = nlohmann::json::parse(report_json(report));
  CHECK(json["site_states"] == nlohmann::json{{"north", "idle"}, {"south", "declined: datasets"}});
}

}  // namespace
}  // namespace consilium::report
