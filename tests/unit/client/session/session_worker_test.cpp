// The worker of a site's sessions, with a real trainer process and a link in memory.
#include "client/session/session_worker.h"

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "client/session/contribution.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"
#include "tests/unit/client/session/memory_link.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::session {
namespace {

using namespace std::chrono_literals;
using job::SumKind;

constexpr std::size_t kFloats = 8;
const std::vector<float> kModel(kFloats, 0.25F);

job::JobSpec tiny_job() {
  const char* text = R"(
name: tiny
model: {layers: [{linear: 2}], input: [3], classes: 2}
data: {dataset: chest}
training: {local_epochs: 2, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}
federation: {rounds: 100, minimum_sites: 2}
strategy: {name: fedavg}
privacy: {secure_aggregation: off}
)";
  return job::parse_job(text, "job.yaml").value();
}

/// A worker in a folder of its own, whose reports are collected.
class Bench {
 public:
  explicit Bench(std::vector<std::string> trainer = {CONSILIUM_BIN_DIR "/consilium-echo-trainer", "--add", "0.5",
                                                     "--examples", "40"}) {
    std::filesystem::create_directories(folder_ / "models");
    std::ofstream(folder_ / "chest.npz") << "not read by this trainer";
    masking::SiteTrust trust;
    trust.site = "north";
    groups_ = masking::GroupMode::open(folder_.path(), folder_ / "site.secret", trust).value();
    ledger.emplace(masking::Ledger::open(folder_.path()).value());
    trainer::TrainerConfig config;
    config.command = std::move(trainer);
    worker.emplace(SessionWorker::Parts{link,
                                        config,
                                        {{{"chest", {"npz", (folder_ / "chest.npz").string()}}}},
                                        "north",
                                        folder_ / "models",
                                        folder_ / "local",
                                        *ledger,
                                        *groups_,
                                        [this](SiteEvent event) {
                                          const std::lock_guard lock(mutex_);
                                          events_.push_back(std::move(event));
                                          changed_.notify_all();
                                        }});
  }
  ~Bench() { worker.reset(); }

  [[nodiscard]] ActiveSession session(SumKind kind, std::uint32_t round) {
    const crypto::Digest model = kind == SumKind::kCensus ? crypto::Digest{} : link.put(kModel);
    const job::SessionKey key{"tiny-1", kind, round, 1};
    const auto order = job::expected_order(job.spec, key, kind == SumKind::kCensus ? 0 : 100, model);
    REQUIRE(order.has_value());
    return {key, *order, kind == SumKind::kCensus ? 0 : kFloats * sizeof(float)};
  }

  /// Waits for an event of this kind about the session, and returns it.
  template <class Event>
  Event await(const job::SessionKey& key) {
    std::unique_lock lock(mutex_);
    Event found;
    const bool came = changed_.wait_for(lock, 30s, [&] {
      for (const SiteEvent& event : events_) {
        const auto* one = std::get_if<Event>(&event);
        if (one == nullptr || one->key != key) continue;
        found = *one;
        return true;
      }
      return false;
    });
    REQUIRE(came);
    return found;
  }
  [[nodiscard]] bool has_failed(const job::SessionKey& key) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(events_, [&](const SiteEvent& event) {
      const auto* failed = std::get_if<StepFailed>(&event);
      return failed != nullptr && failed->key == key;
    });
  }
  /// The steps of a session, one after another; returns the vector that the link received.
  std::vector<std::uint32_t> carry_out(const ActiveSession& session) {
    if (session.order.kind != SumKind::kCensus) {
      worker->run(Fetch{session});
      await<Fetched>(session.key);
    }
    worker->run(Work{session, job});
    CHECK(await<Worked>(session.key).has_vector);
    worker->run(Upload{session, job});
    await<Uploaded>(session.key);
    const auto uploads = link.uploads();
    REQUIRE(!uploads.empty());
    CHECK(uploads.back().key == session.key);
    return uploads.back().words;
  }

  const AcceptedJob job{tiny_job(), job::job_digest(tiny_job())};
  transport::MemoryLink link;
  std::optional<masking::Ledger> ledger;
  std::optional<SessionWorker> worker;

 private:
  pki::TemporaryFolder folder_;
  std::unique_ptr<masking::GroupMode> groups_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SiteEvent> events_;
};

/// A switch that lets an upload go on.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void enter(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    entered_ = true;
    changed_.notify_all();
    changed_.wait(lock, stop, [this] { return open_; });
  }
  void wait_until_entered() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 30s, [this] { return entered_; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
  bool entered_ = false;
};

TEST_CASE("a census and a round upload the vectors that the trainer's results encode to") {
  Bench bench;
  const ActiveSession census = bench.session(SumKind::kCensus, 0);
  trainer::Prepared prepared{40, 0, 0, {40, 0}};
  CHECK(bench.carry_out(census) == census_contribution(census.order, prepared).value());

  const ActiveSession round = bench.session(SumKind::kTrain, 1);
  const auto manifest = model::build_manifest(bench.job.spec.model).value();
  const std::vector<float> delta(kFloats, 0.5F);
  CHECK(bench.carry_out(round) == train_contribution(round.order, manifest, 40, {0.0, 2, false, 0.0}, delta).value());
}

TEST_CASE("a model that the site has is not fetched again") {
  Bench bench;
  bench.carry_out(bench.session(SumKind::kTrain, 1));
  bench.carry_out(bench.session(SumKind::kTrain, 2));
  CHECK(bench.link.fetches() == 1);
}

TEST_CASE("a step that fails is reported with its session and its reason, and the worker goes on") {
  Bench bench;
  ActiveSession unknown = bench.session(SumKind::kTrain, 1);
  unknown.order.model = crypto::sha256("a model that the coordinator doesn't have");
  bench.worker->run(Fetch{unknown});
  CHECK(bench.await<StepFailed>(unknown.key).error.code == ErrorCode::kNotFound);

  const ActiveSession round = bench.session(SumKind::kTrain, 2);
  bench.link.during_upload(
      [](const auto&, const auto&) { return fail(ErrorCode::kUnavailable, "the network is down"); });
  bench.worker->run(Fetch{round});
  bench.worker->run(Work{round, bench.job});
  bench.worker->run(Upload{round, bench.job});
  CHECK(bench.await<StepFailed>(round.key).error.message == "the network is down");
  CHECK(bench.link.uploads().empty());

  bench.link.during_upload({});
  bench.carry_out(bench.session(SumKind::kTrain, 3));
}

TEST_CASE("a session that is abandoned while it uploads is cancelled and not heard of again") {
  Bench bench;
  Gate gate;
  bench.link.during_upload([&gate](const auto&, const std::stop_token& stop) -> Result<void> {
    gate.enter(stop);
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "cancelled");
    return {};
  });
  const ActiveSession round = bench.session(SumKind::kTrain, 1);
  bench.worker->run(Fetch{round});
  bench.worker->run(Work{round, bench.job});
  bench.worker->run(Upload{round, bench.job});
  gate.wait_until_entered();
  bench.worker->abandon(round.key);
  bench.link.during_upload({});
  bench.carry_out(bench.session(SumKind::kTrain, 2));
  CHECK_FALSE(bench.has_failed(round.key));
  CHECK(bench.link.uploads().size() == 1);
}

TEST_CASE("a session that is abandoned while its step waits is never begun") {
  Bench bench;
  Gate gate;
  bench.link.during_upload([&gate](const auto&, const std::stop_token& stop) -> Result<void> {
    gate.enter(stop);
    return {};
  });
  const ActiveSession first = bench.session(SumKind::kTrain, 1), second = bench.session(SumKind::kTrain, 2);
  bench.worker->run(Fetch{first});
  bench.worker->run(Work{first, bench.job});
  bench.worker->run(Upload{first, bench.job});
  gate.wait_until_entered();
  bench.worker->run(Work{second, bench.job});
  bench.worker->abandon(second.key);
  gate.open();
  bench.await<Uploaded>(first.key);
  bench.carry_out(bench.session(SumKind::kTrain, 3));
  CHECK_FALSE(bench.has_failed(second.key));
  CHECK(bench.link.uploads().size() == 2);
}

TEST_CASE("a coordinator that opens sessions without end can't fill the memory") {
  Bench bench;
  Gate gate;
  bench.link.during_upload([&gate](const auto&, const std::stop_token& stop) -> Result<void> {
    gate.enter(stop);
    return {};
  });
  const ActiveSession first = bench.session(SumKind::kTrain, 1);
  bench.worker->run(Fetch{first});
  bench.worker->run(Work{first, bench.job});
  bench.worker->run(Upload{first, bench.job});
  gate.wait_until_entered();
  std::vector<ActiveSession> sessions;
  for (std::uint32_t round = 2; round < 70; ++round) sessions.push_back(bench.session(SumKind::kTrain, round));
  for (const ActiveSession& session : sessions) bench.worker->run(Fetch{session});
  const StepFailed refused = bench.await<StepFailed>(sessions.back().key);
  CHECK(refused.error.code == ErrorCode::kResourceExhausted);
  CHECK_FALSE(bench.has_failed(sessions.front().key));
  gate.open();
  bench.await<Fetched>(sessions.front().key);
}

TEST_CASE("a masked vector's digest is on the disk before its first byte is sent, and its file goes with the receipt") {
  Bench bench;
  ActiveSession census = bench.session(SumKind::kCensus, 0);
  census.masked = true;
  REQUIRE(bench.ledger->begin_attempt(census.key));
  std::optional<crypto::Digest> kept;
  bool written = false;
  bench.link.during_upload([&](const job::SessionKey& key, const auto&) -> Result<void> {
    kept = bench.ledger->kept_vector(key).value();
    written = std::filesystem::exists(bench.ledger->vector_file(key));
    return {};
  });
  bench.carry_out(census);
  REQUIRE(kept.has_value());
  CHECK(written);
  CHECK(bench.link.uploads().back().digest == kept);
  CHECK_FALSE(std::filesystem::exists(bench.ledger->vector_file(census.key)));
}

TEST_CASE("a trainer that can't be started is reported, and its steps fail") {
  Bench bench({"/nonexistent/trainer"});
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Error> failure;
  bench.worker->start([&](const Error& error) {
    const std::lock_guard lock(mutex);
    failure = error;
    changed.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 30s, [&] { return failure.has_value(); }));
  }
  CHECK_THAT(failure->message, Catch::Contains("/nonexistent/trainer"));
  const ActiveSession census = bench.session(SumKind::kCensus, 0);
  bench.worker->run(Work{census, bench.job});
  CHECK_THAT(bench.await<StepFailed>(census.key).error.message, Catch::Contains("/nonexistent/trainer"));
}

}  // namespace
}  // namespace consilium::session
