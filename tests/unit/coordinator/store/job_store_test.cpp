#include "coordinator/store/job_store.h"

#include <fstream>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::store {
namespace {

report::RoundRecord round_record(std::uint32_t round) {
  report::RoundRecord record;
  record.round = round;
  record.cohort = {"north", "south"};
  record.contributed = {"north"};
  record.failed = {{"south", "no answer within 15m"}};
  record.train_loss = 1.0 / round;
  record.bytes = 1000 * round;
  record.seconds = 0.5;
  record.model = crypto::sha256("model " + std::to_string(round));
  record.started_seconds = 1'800'000'100 + round;
  record.ended_seconds = 1'800'000'101 + round;
  return record;
}

JobRecord job_record(const std::string& id, std::uint32_t rounds) {
  JobRecord record{"ada", "{spec of " + id + "}", crypto::sha256("initial"), {}, false, crypto::sha256("kept")};
  record.status.job_id = id;
  record.status.name = "chest";
  record.status.phase = report::JobPhase::kTraining;
  record.status.round = rounds;
  record.status.rounds = 100;
  record.status.detail = "waits for south";
  record.status.sites = {{"north", "training"}, {"south", "declined: max_rounds"}};
  record.status.model = crypto::sha256("kept");
  record.status.examples = 512;
  record.status.researcher = "ada";
  record.status.submitted_seconds = 1'800'000'000;
  record.status.started_seconds = 1'800'000'090;
  record.status.ended_seconds = 1'800'000'500;
  for (std::uint32_t round = 1; round <= rounds; ++round) record.status.history.push_back(round_record(round));
  return record;
}

struct Bench {
  pki::TemporaryFolder folder;
  std::unique_ptr<JobStore> store = opened();

  [[nodiscard]] std::unique_ptr<JobStore> opened() const {
    auto made = JobStore::open(folder / "jobs.db");
    INFO((made ? std::string() : made.error().message));
    REQUIRE(made);
    return *std::move(made);
  }
  /// Returns what a coordinator finds that is started now.
  std::vector<JobRecord> after_restart() {
    store.reset();
    store = opened();
    return store->load().value();
  }
};

TEST_CASE("jobs are found again after a restart, in the order of their submission, with everything that was seen") {
  Bench bench;
  CHECK(bench.store->load().value().empty());
  const JobRecord second = job_record("b-1", 0);
  JobRecord first = job_record("z-1", 2);
  REQUIRE(bench.store->save(first));
  REQUIRE(bench.store->save(second));
  CHECK(bench.after_restart() == std::vector<JobRecord>{first, second});

  // A round more, another evaluation of the last one, and the end.
  report::RoundRecord evaluated = round_record(2);
  evaluated.metrics.emplace();
  evaluated.metrics->examples = 30;
  evaluated.metrics->values = {{"loss", 0.25, 0.0, false}};
  first.status.history.replace(1, evaluated);
  first.status.history.push_back(round_record(3));
  first.status.phase = report::JobPhase::kFinished;
  first.ended = true;
  first.kept.reset();
  REQUIRE(bench.store->save(first));
  CHECK(bench.after_restart() == std::vector<JobRecord>{first, second});
}

TEST_CASE("a removed job is gone, with its rounds") {
  Bench bench;
  REQUIRE(bench.store->save(job_record("a-1", 3)));
  REQUIRE(bench.store->save(job_record("b-1", 1)));
  REQUIRE(bench.store->remove("a-1"));
  REQUIRE(bench.store->remove("a-1"));
  CHECK(bench.after_restart() == std::vector<JobRecord>{job_record("b-1", 1)});
  REQUIRE(bench.store->save(job_record("a-1", 1)));
  CHECK(bench.after_restart() == std::vector<JobRecord>{job_record("b-1", 1), job_record("a-1", 1)});
}

TEST_CASE("a file that another coordinator has open, and one that is something else, are refused") {
  Bench bench;
  const auto second = JobStore::open(bench.folder / "jobs.db");
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kFailedPrecondition);
  std::ofstream(bench.folder / "other.db")
      << "not a database, and longer than the header of one: " << std::string(200, 'x');
  const auto other = JobStore::open(bench.folder / "other.db");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::kDataLoss);
  CHECK_THAT(other.error().message, Catch::Contains("other.db") && Catch::Contains("move the file"));
}

}  // namespace
}  // namespace consilium::store
