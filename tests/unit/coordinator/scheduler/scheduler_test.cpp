#include "coordinator/scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <thread>

#include "common/job/job_text.h"
#include "coordinator/journal/memory_journal.h"
#include "coordinator/service/spool_folder.h"
#include "tests/catch.h"
#include "tests/unit/client/approval/signing.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using coordinator::Scheduler;

namespace {

using namespace std::chrono_literals;

/// Receives the messages to sites.
class Gateway final : public round::SiteGateway {
 public:
  void send(const std::string& site, wire::CoordinatorMessage message) override {
    const std::lock_guard lock(mutex_);
    if (const auto* offer = std::get_if<wire::JobOffer>(&message)) offered_.insert(site + " " + offer->job_id);
    if (const auto* session = std::get_if<wire::SessionOffer>(&message)) working_.insert(session->key.job_id);
  }
  [[nodiscard]] bool has_offered(const std::string& site, const std::string& job_id) const {
    const std::lock_guard lock(mutex_);
    return offered_.contains(site + " " + job_id);
  }
  /// Returns true if a session of the job has been opened.
  [[nodiscard]] bool works(const std::string& job_id) const {
    const std::lock_guard lock(mutex_);
    return working_.contains(job_id);
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> offered_;
  std::set<std::string> working_;
};

const pki::Identity kSelf{"lung", pki::Role::kCoordinator, "hub"};

pki::Identity researcher(const std::string& name) { return {"lung", pki::Role::kResearcher, name}; }

template <class Condition>
bool eventually(Condition condition) {
  for (int wait = 0; wait < 3000; ++wait) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

struct Bench {
  pki::TemporaryFolder folder;
  journal::BlobStore blobs = journal::BlobStore::open(folder / "blobs").value();
  journal::JobNumbers numbers = journal::JobNumbers::open({}).value();
  std::unique_ptr<store::JobStore> jobs = store::JobStore::open(folder / "jobs.db").value();
  journal::MemoryJournal journal;
  Gateway gateway;
  Scheduler scheduler;

  explicit Bench(std::size_t slots = 1, admission::Quotas quotas = {}, std::chrono::milliseconds grace = 0ms)
      : scheduler({journal, blobs, numbers, *jobs, slots, approval::signing().trust, kSelf, quotas, folder / "spool",
                   grace}) {
    spdlog::set_level(spdlog::level::warn);
    scheduler.start(gateway);
  }

  std::string submit(const std::string& name, const std::string& sites, const std::string& who = "ada",
                     const std::string& more = "") {
    const auto job_id = try_submit(who, text(name, sites, more));
    INFO((job_id ? "" : job_id.error().message));
    REQUIRE(job_id);
    return *job_id;
  }
  /// Submits with the researcher's own signature.
  Result<std::string> try_submit(const std::string& who, const std::string& text) {
    constexpr std::int64_t kFar = 4'000'000'000;
    const auto digest = job::job_digest(job::parse_job(text, "job").value());
    return scheduler.submit(who, text, approval::signing().sign(who, digest, kFar));
  }
  static std::string text(const std::string& name, const std::string& sites, const std::string& more) {
    const auto count = 1 + std::count(sites.begin(), sites.end(), ',');
    return "{name: " + name + ", model: {layers: [{linear: 2}], input: [3], classes: 2}, data: {dataset: d}, " +
           "training: {batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: 2, sites: [" +
           sites + "], minimum_sites: " + std::to_string(count) + "}, privacy: {secure_aggregation: off}" + more + "}";
  }
  void connect(const std::string& site) { scheduler.site_connected(site, {}); }
  void accept(const std::string& site, const std::string& job_id) {
    REQUIRE(eventually([&] { return gateway.has_offered(site, job_id); }));
    scheduler.site_message(site, wire::JobAnswer{job_id, wire::JobConsent::kAccepted, {}});
  }
  [[nodiscard]] report::JobStatus status(const std::string& job_id, const std::string& who = "ada") {
    return *scheduler.watch(researcher(who), job_id, 0, 0ms).value().status;
  }
  [[nodiscard]] bool says(const std::string& job_id, const std::string& words) {
    return eventually([&] { return status(job_id).detail.find(words) != std::string::npos; });
  }
  [[nodiscard]] std::size_t blob_count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder / "blobs"), {}));
  }
};

}  // namespace

TEST_CASE("a job that waits for a site doesn't hold the only slot, and says for whom it waits and until when") {
  Bench bench;
  bench.connect("north");
  const auto waits = bench.submit("waits", "north, west");
  bench.accept("north", waits);
  const auto works = bench.submit("works", "north");
  bench.accept("north", works);
  CHECK(eventually([&] { return bench.gateway.works(works); }));
  CHECK_FALSE(bench.gateway.works(waits));
  CHECK(bench.says(waits, "west: is not connected"));
  CHECK(bench.says(waits, "queued behind works-1"));
  CHECK_THAT(bench.status(waits).detail, Catch::Matches(".*until 20[0-9-]+ [0-9:]+ UTC"));
  CHECK(bench.status(waits).phase == report::JobPhase::kQueued);

  bench.connect("west");
  bench.accept("west", waits);
  CHECK(bench.says(waits, "queued behind works-1, which uses the same sites"));
  CHECK(eventually([&] { return bench.status(waits).detail.find("UTC") == std::string::npos; }));
  REQUIRE(bench.scheduler.stop(researcher("ada"), works));
  CHECK(eventually([&] { return bench.gateway.works(waits); }));
}

TEST_CASE("a job that nobody accepts leaves its slot to others") {
  Bench bench;
  for (const char* site : {"north", "south"}) bench.connect(site);
  const auto ignored = bench.submit("ignored", "north");
  const auto works = bench.submit("works", "south");
  bench.accept("south", works);
  CHECK(eventually([&] { return bench.gateway.works(works); }));
  CHECK_FALSE(bench.gateway.works(ignored));
}

TEST_CASE("a job whose site leaves gives its slot up, and is next when the site is back") {
  Bench bench;
  for (const char* site : {"north", "south"}) bench.connect(site);
  const auto first = bench.submit("first", "north");
  bench.accept("north", first);
  REQUIRE(eventually([&] { return bench.gateway.works(first); }));
  const auto second = bench.submit("second", "south");
  bench.accept("south", second);
  CHECK(bench.says(second,
                   "queued behind first-1: as many jobs are running as this coordinator allows (max_running_jobs)"));
  CHECK_FALSE(bench.gateway.works(second));
  bench.scheduler.site_disconnected("north");
  CHECK(eventually([&] { return bench.gateway.works(second); }));
  bench.connect("north");
  bench.scheduler.site_message("north", wire::JobAnswer{first, wire::JobConsent::kAccepted, {}});
  CHECK(bench.says(first, "queued behind second-1"));
}

TEST_CASE("a connection that breaks for a moment doesn't cost a job its slot") {
  Bench bench(1, {}, 1h);
  for (const char* site : {"north", "south"}) bench.connect(site);
  const auto first = bench.submit("first", "north");
  bench.accept("north", first);
  REQUIRE(eventually([&] { return bench.gateway.works(first); }));
  const auto second = bench.submit("second", "south");
  bench.accept("south", second);
  bench.scheduler.site_disconnected("north");
  CHECK(bench.says(first, "north: is not connected"));
  CHECK(bench.says(second, "queued behind first-1"));
  CHECK_FALSE(bench.gateway.works(second));
}

TEST_CASE("others see an outline of a job; its readers see it whole, and only its researcher ends it") {
  Bench bench;
  const auto job_id = bench.submit("chest", "north", "ada", ", readers: [grace]");
  CHECK(bench.status(job_id, "grace").detail == bench.status(job_id, "ada").detail);
  CHECK(bench.scheduler.watch(researcher("eve"), job_id, 0, 0ms).error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.scheduler.job_spec(researcher("eve"), job_id).error().code == ErrorCode::kPermissionDenied);
  const auto outline = bench.scheduler.jobs(researcher("eve")).at(0);
  CHECK(outline == admission::outline_of(bench.status(job_id)));
  CHECK(outline.researcher == "ada");
  CHECK(bench.status(job_id).submitted_seconds > 1'700'000'000);
  const auto model = bench.status(job_id).model.value();
  CHECK(bench.scheduler.may_fetch(researcher("grace"), model));
  CHECK(bench.scheduler.may_fetch(researcher("eve"), model).error().code == ErrorCode::kPermissionDenied);
  for (const char* other : {"grace", "eve"}) {
    CHECK(bench.scheduler.stop(researcher(other), job_id).error().code == ErrorCode::kPermissionDenied);
    CHECK(bench.scheduler.remove(researcher(other), job_id).error().code == ErrorCode::kPermissionDenied);
  }
}

TEST_CASE("a site fetches the model of a job that works with it, and no other") {
  Bench bench(2);
  for (const char* site : {"north", "south"}) bench.connect(site);
  const auto works = bench.submit("works", "north", "ada", ", seed: 1");
  const auto waits = bench.submit("waits", "south, west", "ada", ", seed: 2");
  bench.accept("north", works);
  REQUIRE(eventually([&] { return bench.gateway.works(works); }));
  const auto site = [](const std::string& name) { return pki::Identity{"lung", pki::Role::kSite, name}; };
  CHECK(bench.scheduler.may_fetch(site("north"), bench.status(works).model.value()));
  CHECK_FALSE(bench.scheduler.may_fetch(site("south"), bench.status(works).model.value()));
  CHECK_FALSE(bench.scheduler.may_fetch(site("south"), bench.status(waits).model.value()));
}

TEST_CASE("a job that is there already is refused until it ends, and the refusal names it") {
  Bench bench(1);
  const auto first = bench.submit("first", "north");
  const auto refused = bench.try_submit("ada", Bench::text("first", "north", ""));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kAlreadyExists);
  CHECK_THAT(refused.error().message,
             Catch::Contains("already submitted as " + first) && Catch::Contains("change its seed"));
  CHECK(bench.blob_count() == 1);  // the blob that the first job starts from still exists
  bench.submit("first", "north", "ada", ", seed: 9");
  bench.submit("first", "north", "grace");  // the same name makes another job for another researcher
  REQUIRE(bench.scheduler.stop(researcher("ada"), first));
  CHECK(bench.try_submit("ada", Bench::text("first", "north", "")));
}

TEST_CASE("a researcher's jobs are counted until they end, and an ended job is removed with its blobs") {
  admission::Quotas quotas;
  quotas.jobs = 1;
  Bench bench(1, quotas);
  const auto first = bench.submit("first", "north");
  const auto refused = bench.try_submit("ada", Bench::text("second", "north", ", seed: 9"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK(bench.blob_count() == 1);  // the blob that the refused job would have started from has been removed
  bench.submit("others", "north", "grace");
  CHECK(bench.scheduler.remove(researcher("ada"), first).error().code == ErrorCode::kFailedPrecondition);
  const auto spooled = service::spool_path(bench.folder / "spool", "north", {first, job::SumKind::kTrain, 1, 1});
  std::filesystem::create_directories(spooled.parent_path());
  std::ofstream(spooled) << "half a vector";
  REQUIRE(bench.scheduler.stop(researcher("ada"), first));
  CHECK(eventually([&] { return !std::filesystem::exists(spooled); }));
  CHECK(bench.scheduler.remove(researcher("ada"), first));
  CHECK(bench.scheduler.jobs(researcher("ada")).size() == 1);
  bench.submit("second", "north");
}

TEST_CASE("a job starts from weights that its researcher uploaded or may read, and from nobody else's") {
  Bench bench;
  const std::vector<float> weights(8, 0.5F);
  const auto digest = bench.blobs.put(std::as_bytes(std::span(weights))).value();
  REQUIRE(bench.scheduler.expect_weights("ada", 32));
  REQUIRE(bench.scheduler.weights_received("ada", digest, 32));
  const std::string from = ", initial_weights: {sha256: " + crypto::to_hex(digest) + "}";
  const auto stolen = bench.try_submit("eve", Bench::text("theft", "north", from));
  REQUIRE_FALSE(stolen);
  CHECK(stolen.error().code == ErrorCode::kNotFound);
  CHECK(bench.blobs.size(digest).has_value());
  bench.submit("mine", "north", "ada", from + ", readers: [grace]");
  bench.submit("again", "north", "ada", from);
  bench.submit("ours", "north", "grace", from);
  CHECK_FALSE(bench.try_submit("eve", Bench::text("theft", "north", from)));
}

TEST_CASE("the weights of a researcher's unended jobs count against the quota of bytes") {
  admission::Quotas quotas;
  quotas.weights = 40;
  Bench bench(1, quotas);
  const std::vector<float> weights(8, 0.5F);
  const auto digest = bench.blobs.put(std::as_bytes(std::span(weights))).value();
  REQUIRE(bench.scheduler.weights_received("ada", digest, 32));
  const auto job_id =
      bench.submit("mine", "north", "ada", ", initial_weights: {sha256: " + crypto::to_hex(digest) + "}");
  CHECK(bench.scheduler.expect_weights("ada", 9).error().code == ErrorCode::kResourceExhausted);
  CHECK(bench.scheduler.expect_weights("ada", 8));
  CHECK(bench.scheduler.expect_weights("grace", 40));
  REQUIRE(bench.scheduler.stop(researcher("ada"), job_id));
  CHECK(eventually([&] { return bench.scheduler.expect_weights("ada", 40).has_value(); }));
  CHECK(eventually([&] { return bench.blob_count() == 0; }));
}

TEST_CASE("an operator stops and removes another's job, whose researcher is told who it was") {
  Bench bench;
  const pki::Identity olga{"lung", pki::Role::kOperator, "olga"};
  const auto job_id = bench.submit("chest", "north");
  CHECK(bench.scheduler.jobs(olga).at(0).researcher == "ada");
  CHECK(bench.scheduler.job_spec(olga, job_id).error().code == ErrorCode::kPermissionDenied);
  REQUIRE(bench.scheduler.stop(olga, job_id));
  CHECK(bench.says(job_id, "stopped by operator olga"));
  CHECK(bench.scheduler.remove(olga, job_id));
  CHECK(bench.scheduler.jobs(olga).empty());
}

TEST_CASE(
    "a coordinator that starts again lists its former jobs, and says of one that was at work that it has failed") {
  Bench bench;
  bench.connect("north");
  const auto stopped = bench.submit("stopped", "north");
  REQUIRE(bench.scheduler.stop(researcher("ada"), stopped));
  const auto working = bench.submit("working", "north, west", "bob");
  bench.scheduler.stop();

  Scheduler again({bench.journal, bench.blobs, bench.numbers, *bench.jobs, 1, approval::signing().trust, kSelf});
  REQUIRE(again.restore());
  const auto listed = again.jobs(researcher("ada"));
  REQUIRE(listed.size() == 2);
  CHECK(listed[0].job_id == stopped);
  CHECK(listed[0].phase == report::JobPhase::kStopped);
  CHECK(listed[0].detail == "stopped by ada");
  CHECK(listed[0].submitted_seconds > 0);
  CHECK(listed[0].ended_seconds >= listed[0].submitted_seconds);
  CHECK(listed[1].job_id == working);
  CHECK(listed[1].researcher == "bob");
  const auto failed = again.watch(researcher("bob"), working, 0, 0ms).value().status;
  CHECK(failed->phase == report::JobPhase::kFailed);
  CHECK_THAT(failed->detail, Catch::Contains("the coordinator ended after round 0 of 2"));
  CHECK(failed->ended_seconds >= failed->submitted_seconds);
  CHECK(bench.jobs->load().value().at(1).status.ended_seconds == failed->ended_seconds);
  CHECK(again.job_spec(researcher("bob"), working).value().find("\"working\"") != std::string::npos);
  CHECK_FALSE(again.watch(researcher("ada"), working, 0, 0ms));  // rights are what they were
  REQUIRE(again.remove(researcher("bob"), working));
  CHECK(again.jobs(researcher("ada")).size() == 1);
  CHECK(bench.jobs->load().value().size() == 1);
}

TEST_CASE(
    "a record whose model is missing, and one of a job that this version refuses, keep no coordinator from starting") {
  Bench bench;
  bench.scheduler.stop();
  const crypto::Digest there = bench.blobs.put(std::as_bytes(std::span(std::string_view("a model")))).value();
  store::JobRecord record{"ada", "a text of another version", crypto::sha256("initial"), {}, true, there};
  record.status.job_id = "old-1";
  record.status.name = "old";
  record.status.phase = report::JobPhase::kFinished;
  REQUIRE(bench.jobs->save(record));
  record.status.job_id = "lost-1";
  record.kept = crypto::sha256("a model that is gone");
  REQUIRE(bench.jobs->save(record));

  Scheduler again({bench.journal, bench.blobs, bench.numbers, *bench.jobs, 1, approval::signing().trust, kSelf});
  CHECK(again.restore().value() == std::vector<std::string>{"lost-1"});
  CHECK(again.jobs(researcher("ada")).size() == 2);
  CHECK(again.job_spec(researcher("ada"), "old-1").value() == "a text of another version");
  bench.blobs.remove_unretained();
  CHECK(bench.blobs.size(there));
  REQUIRE(again.remove(researcher("ada"), "old-1"));
  CHECK_FALSE(bench.blobs.size(there));
  REQUIRE(again.remove(researcher("ada"), "lost-1"));
}

TEST_CASE("a job that begins with the model of one that ends at this moment finds its model") {
  Bench bench;
  for (int i = 0; i < 100; ++i) {
    const auto job_id = bench.submit("same", "north");
    REQUIRE(bench.scheduler.stop(researcher("ada"), job_id));
  }
}

TEST_CASE("a failure of which a site sends the code alone is told with its usual cause") {
  CHECK(coordinator::failure_in_words(ErrorCode::kResourceExhausted) ==
        "failed: resource_exhausted (no memory or disk space is left at the site; its log has the details)");
  CHECK_THAT(coordinator::failure_in_words(ErrorCode::kInternal),
             Catch::StartsWith("failed: internal (") && Catch::Contains("trainer failed"));
}

TEST_CASE("a job that somebody else signed is refused, and none of its blobs stays") {
  Bench bench;
  const std::string text = Bench::text("chest", "north", "");
  const auto digest = job::job_digest(job::parse_job(text, "job").value());
  constexpr std::int64_t kFar = 4'000'000'000;
  const auto refused = bench.scheduler.submit("eve", text, approval::signing().sign("ada", digest, kFar));
  CHECK(refused.error().code == ErrorCode::kPermissionDenied);
  CHECK(bench.blob_count() == 0);
}
