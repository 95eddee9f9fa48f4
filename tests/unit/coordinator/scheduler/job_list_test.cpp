#include "coordinator/job_list.h"

#include <thread>

#include "tests/catch.h"

using namespace consilium;
using coordinator::JobList;

namespace {

using std::chrono::milliseconds;

pki::Identity researcher(const std::string& name) { return {"lung", pki::Role::kResearcher, name}; }
const pki::Identity kAda = researcher("ada");
const pki::Identity kGrace = researcher("grace");
const pki::Identity kEve = researcher("eve");

report::JobStatus status_of(report::JobPhase phase) {
  report::JobStatus status;
  status.job_id = "chest-1";
  status.name = "chest";
  status.phase = phase;
  status.detail = "a detail";
  status.researcher = "ada";
  status.submitted_seconds = 77;
  report::RoundRecord record;
  record.model = crypto::sha256("round 1");
  status.history = {record};
  status.model = crypto::sha256("round 2");
  return status;
}

struct Bench {
  JobList list;
  Bench() {
    list.add({"chest-1", "ada", {"grace"}}, "the spec", crypto::sha256("initial"),
             status_of(report::JobPhase::kTraining));
  }
};

}  // namespace

TEST_CASE("a job's spec, status and models are for its researcher and its readers") {
  Bench bench;
  for (const auto& caller : {kAda, kGrace}) {
    CHECK(bench.list.spec(caller, "chest-1").value() == "the spec");
    CHECK(bench.list.watch(caller, "chest-1", 0, milliseconds(0)).value().status->detail == "a detail");
    CHECK(bench.list.jobs(caller).at(0).model == crypto::sha256("round 2"));
    for (const char* model : {"initial", "round 1", "round 2"})
      CHECK(bench.list.may_fetch(caller, crypto::sha256(model)));
    CHECK(bench.list.may_fetch(caller, crypto::sha256("another")).error().code == ErrorCode::kPermissionDenied);
  }
  CHECK(bench.list.spec(kEve, "chest-1").error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.watch(kEve, "chest-1", 0, milliseconds(0)).error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.may_fetch(kEve, crypto::sha256("round 2")).error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.jobs(kEve).at(0) == admission::outline_of(status_of(report::JobPhase::kTraining)));
  CHECK(bench.list.spec(kAda, "chest-2").error().code == ErrorCode::kNotFound);
}

TEST_CASE("an operator sees every job without what it learned, and may remove it, but not watch it") {
  Bench bench;
  const pki::Identity olga{"lung", pki::Role::kOperator, "olga"};
  auto status = status_of(report::JobPhase::kTraining);
  status.examples = 320;
  status.sites = {{"north", "training"}};
  bench.list.update(status);
  const auto seen = bench.list.jobs(olga).at(0);
  CHECK(seen.detail == "a detail");
  CHECK(seen.sites == status.sites);
  CHECK(seen.history.empty());
  CHECK_FALSE(seen.model);
  CHECK(seen.examples == 0);
  CHECK(bench.list.spec(olga, "chest-1").error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.watch(olga, "chest-1", 0, milliseconds(0)).error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.may_fetch(olga, crypto::sha256("round 2")).error().code == ErrorCode::kPermissionDenied);
  bench.list.ended("chest-1", std::nullopt);
  CHECK(bench.list.remove(olga, "chest-1"));
}

TEST_CASE("an update keeps who submitted the job and when, and wakes those who watch") {
  Bench bench;
  auto changed = status_of(report::JobPhase::kEvaluating);
  changed.researcher.clear();
  changed.submitted_seconds = 0;
  std::jthread later([&] { bench.list.update(changed); });
  const auto seen = bench.list.watch(kAda, "chest-1", 1, std::chrono::minutes(1)).value();
  CHECK(seen.version == 2);
  CHECK(seen.status->phase == report::JobPhase::kEvaluating);
  CHECK(seen.status->researcher == "ada");
  CHECK(seen.status->submitted_seconds == 77);
}

TEST_CASE("a job is removed once it has ended, by its researcher, and gives its model back") {
  Bench bench;
  CHECK(bench.list.remove(kAda, "chest-1").error().code == ErrorCode::kFailedPrecondition);
  CHECK_THAT(bench.list.remove(kAda, "chest-1").error().message, Catch::Contains("consilium stop chest-1"));
  bench.list.ended("chest-1", crypto::sha256("round 2"));
  CHECK(bench.list.remove(kEve, "chest-1").error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.remove(kGrace, "chest-1").error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.list.remove(kAda, "chest-1").value() == crypto::sha256("round 2"));
  CHECK(bench.list.remove(kAda, "chest-1").error().code == ErrorCode::kNotFound);
  CHECK(bench.list.jobs(kAda).empty());
  CHECK(bench.list.may_fetch(kAda, crypto::sha256("round 2")).error().code == ErrorCode::kPermissionDenied);
  bench.list.update(status_of(report::JobPhase::kFinished));  // reports nothing more about it
  CHECK(bench.list.jobs(kAda).empty());
}

TEST_CASE("a watcher of a job that is removed, or of a coordinator that shuts down, is told so") {
  Bench bench;
  bench.list.ended("chest-1", std::nullopt);
  SECTION("removed") {
    std::jthread later([&] { CHECK(bench.list.remove(kAda, "chest-1")); });
    CHECK(bench.list.watch(kAda, "chest-1", 1, std::chrono::minutes(1)).error().code == ErrorCode::kNotFound);
  }
  SECTION("shut down") {
    std::jthread later([&] { bench.list.close(); });
    CHECK(bench.list.watch(kAda, "chest-1", 1, std::chrono::minutes(1)).error().code == ErrorCode::kCancelled);
  }
}
