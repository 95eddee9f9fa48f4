#include "common/report/job_status_json.h"

#include <nlohmann/json.hpp>

#include "common/task/limits.h"
#include "common/task/score_histogram.h"
#include "common/task/task.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::report;

namespace {

task::Metrics some_metrics() {
  task::Metrics metrics;
  metrics.examples = 40;
  metrics.values = {{"loss", 0.1 + 0.2, 0.0, false},
                    {"accuracy", 2.0 / 3.0, 0.0, true},
                    {"auc", 0.9, 1e-5, true},
                    {"hd95", 3.25, 0.1, false}};
  metrics.tables = {{"confusion", 2, 2, {10, 5, 5, 20}}};
  return metrics;
}

JobStatus some_status() {
  RoundRecord record;
  record.round = 1;
  record.cohort = {"east", "north", "west"};
  record.contributed = {"east"};
  record.partial = {"west"};
  record.failed = {{"north", "training failed: CUDA out of memory"}};
  record.evaluation_failed = {{"west", "no answer within 15m"}};
  record.seconds = 1.25;
  record.evaluation_seconds = 0.5;
  record.bytes = std::uint64_t{1} << 40;
  record.train_loss = 0.7;
  record.clipped = 3;
  record.coordinates = 4;
  record.metrics = some_metrics();
  record.site_metrics = {{"east", some_metrics()}};
  record.model = crypto::sha256("model");
  record.started_seconds = 1'795'000'100;
  record.ended_seconds = 1'795'000'160;
  JobStatus status;
  status.job_id = "chest-xray-1";
  status.name = "chest-xray";
  status.phase = JobPhase::kTraining;
  status.round = 2;
  status.rounds = 20;
  status.detail = "round 2";
  status.sites = {{"east", "training"}, {"north", "declined: \"no\""}};
  status.history = {record, RoundRecord{}};
  status.model = record.model;
  status.examples = 320;
  status.researcher = "ada";
  status.submitted_seconds = 1'795'000'000;
  status.started_seconds = 1'795'000'090;
  status.ended_seconds = 1'795'000'500;
  status.eta_seconds = 12.5;
  return status;
}

}  // namespace

TEST_CASE("a status survives being written and read as JSON text") {
  for (const JobStatus& status : {some_status(), JobStatus{}}) {
    const auto read = job_status_from_json(nlohmann::json::parse(to_json(status).dump()));
    REQUIRE(read.has_value());
    CHECK(*read == status);
  }
}

TEST_CASE("every phase has a name of its own and is read back") {
  for (int phase = 0; phase <= static_cast<int>(JobPhase::kFailed); ++phase) {
    JobStatus status;
    status.phase = static_cast<JobPhase>(phase);
    CHECK(job_status_from_json(to_json(status)).value().phase == status.phase);
  }
}

TEST_CASE("a status with a key missing, too many or of the wrong kind is refused") {
  const nlohmann::json good = to_json(some_status());
  for (const auto& [key, value] : good.items()) {
    nlohmann::json missing = good;
    missing.erase(key);
    CHECK_FALSE(job_status_from_json(missing).has_value());
    nlohmann::json wrong = good;
    wrong[key] = nlohmann::json::array({nlohmann::json::object()});
    CHECK_FALSE(job_status_from_json(wrong).has_value());
  }
  for (const auto& [key, value] : good["history"][0].items()) {
    for (const nlohmann::json& bad : {nlohmann::json(-1), nlohmann::json(true), nlohmann::json::array({1})}) {
      nlohmann::json wrong = good;
      wrong["history"][0][key] = bad;
      const auto read = job_status_from_json(wrong);
      if (!read.has_value()) {
        CHECK_THAT(read.error().message, Catch::Contains("history[0]"));
      } else {
        CHECK((key == "seconds" || key == "evaluation_seconds" || key == "train_loss"));  // -1 is a number
      }
    }
  }
  nlohmann::json more = good;
  more["history"][0]["metrics"]["surprise"] = 1;
  CHECK_FALSE(job_status_from_json(more).has_value());
}

TEST_CASE("values out of bounds are refused with their path") {
  const auto refused = [](auto change) {
    nlohmann::json json = to_json(some_status());
    change(json);
    const auto read = job_status_from_json(json);
    REQUIRE_FALSE(read.has_value());
    return read.error().message;
  };
  using nlohmann::json;
  CHECK_THAT(refused([](json& j) { j["round"] = 5000000000u; }), Catch::StartsWith("round: "));
  CHECK_THAT(refused([](json& j) { j["phase"] = "sleeping"; }), Catch::StartsWith("phase: "));
  CHECK_THAT(refused([](json& j) { j["model"] = "abc"; }), Catch::StartsWith("model: "));
  CHECK_THAT(refused([](json& j) { j["detail"] = std::string(kMaxTextBytes + 1, 'x'); }),
             Catch::StartsWith("detail: "));
  CHECK_THAT(refused([](json& j) { j["eta_seconds"] = json::parse("1e308").get<double>() * 10; }),
             Catch::StartsWith("eta_seconds: "));
  const auto table = [&](json counts) {
    return refused([&](json& j) { j["history"][0]["metrics"]["tables"][0]["counts"] = std::move(counts); });
  };
  const std::string counts = "history[0].metrics.tables[0].counts: ";
  CHECK_THAT(table(std::vector<int>(task::kMaxTableCounts + 1, 0)), Catch::StartsWith(counts));
  CHECK_THAT(table({1, 2, 3}), Catch::StartsWith(counts));
  CHECK_THAT(table({1, 2, 3, -4}), Catch::StartsWith(counts));
  const auto metric = [&](const char* key, json value) {
    return refused([&](json& j) { j["history"][0]["site_metrics"]["east"]["values"][1][key] = std::move(value); });
  };
  const std::string second = "history[0].site_metrics.east.values[1]";
  CHECK_THAT(metric("value", "low"), Catch::StartsWith(second + ".value: "));
  CHECK_THAT(metric("name", "Accuracy!"), Catch::StartsWith(second + ".name: "));
  CHECK_THAT(metric("name", std::string(65, 'a')), Catch::StartsWith(second + ".name: "));
  CHECK_THAT(metric("name", "loss"), Catch::StartsWith(second + ": expected each name once"));
  for (const json& other : {json(), json(1), json("x"), json::array()})
    CHECK_FALSE(job_status_from_json(other).has_value());
}

TEST_CASE("whatever a task of any size reports can be read again") {
  for (const std::uint64_t classes : {2u, 100u, 101u, 1000u}) {
    const auto task = task::make_task({.calibration_bins = 15}, classes).value();
    std::vector<std::uint64_t> counts(task->evaluation_elements());
    counts[0] = classes;  // one example of each class, all predicted as class 0
    const std::size_t positives = 2 + classes * classes;
    const std::size_t negatives = positives + classes * task::kScoreBins;
    for (std::uint64_t c = 0; c < classes; ++c) {
      counts[2 + c * classes] = 1;
      counts[positives + c * task::kScoreBins] = 1;
      counts[negatives + c * task::kScoreBins] = classes - 1;
    }
    const std::size_t confidence = negatives + classes * task::kScoreBins;
    counts[confidence + 14] = classes;
    counts[confidence + 15 + 14] = 1;
    counts[confidence + 30 + 14] = classes << 20;
    const auto metrics = task->metrics(counts);
    if (!metrics) FAIL(metrics.error().message);
    CHECK(metrics->tables.size() == (classes <= 100 ? 2 : 1));  // calibration, and a confusion matrix if it is small
    const auto read = metrics_from_json(to_json(*metrics));
    REQUIRE(read.has_value());
    CHECK(*read == *metrics);
  }
  CHECK_FALSE(task::make_task({}, 1001).has_value());
}
