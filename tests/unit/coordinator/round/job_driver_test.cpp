#include <algorithm>
#include <cmath>

#include "tests/catch.h"
#include "tests/unit/coordinator/round/driver_bench.h"

using namespace consilium;
using namespace consilium::round;
using job::SumKind;

TEST_CASE("a job of four sites runs to its end, and its model is the exact weighted mean of every round") {
  Bench bench;
  bench.start();
  CHECK(bench.driver->status().phase == report::JobPhase::kCensus);
  CHECK(bench.offer("a").model_bytes == 0);
  bench.complete(kAll);
  CHECK(bench.driver->status().examples == 100);
  for (std::uint32_t round = 1; round <= 3; ++round) {
    CHECK(bench.driver->status().phase == report::JobPhase::kTraining);
    CHECK(bench.driver->status().round == round);
    CHECK(bench.order("a").normaliser == 100);
    CHECK(bench.order("a") ==
          job::expected_order(bench.spec, bench.offer("a").key, 100, bench.order("a").model).value());
    CHECK(bench.order("a").model == *bench.driver->status().model);
    CHECK(bench.offer("b").model_bytes == bench.initial.size() * 4);
    bench.complete(kAll);
    CHECK(bench.driver->status().phase == report::JobPhase::kEvaluating);
    bench.complete(kAll);
  }
  REQUIRE(bench.driver->ended());
  const report::JobStatus& status = bench.driver->status();
  CHECK(status.phase == report::JobPhase::kFinished);
  CHECK(bench.outcomes("d") == std::vector<std::string>{"finished"});
  // n = 10, 20, 30, 40 and deltas of quarters and eighths. Every step is exact in binary, so the model is exact too.
  // mean of (k / 4) = (1 * 10 + 2 * 20 + 3 * 30 + 4 * 40) / 400 = 0.75
  const auto model = bench.model(*status.model);
  for (std::size_t i = 0; i < model.size(); ++i) {
    double expected = bench.initial[i];
    for (int round = 1; round <= 3; ++round)
      expected = static_cast<float>(expected + static_cast<float>(0.75 + static_cast<double>(i) * 0.125 + round));
    CHECK(std::fabs(model[i] - expected) <= 4 * 2.0 * 16.0 / 1073741824.0 + 1e-6);
  }
  REQUIRE(status.history.size() == 3);
  const report::RoundRecord& record = status.history[0];
  CHECK(record.cohort == kAll);
  CHECK(record.contributed == kAll);
  CHECK(record.failed.empty());
  CHECK(record.train_loss.value() == Approx((100.0 + 400.0 + 900.0 + 1600.0) / 100.0).epsilon(1e-5));
  CHECK(record.clipped == 100);
  CHECK(record.coordinates == 4 * bench.initial.size());
  REQUIRE(record.metrics.has_value());
  CHECK(record.metrics->examples == 16);
  CHECK(record.metrics->value_of("accuracy") == Approx(15.0 / 16.0));
  CHECK(record.metrics->value_of("loss") == Approx(0.5));
  CHECK(record.metrics->value_of("auc") == 1.0);
  CHECK(record.site_metrics.at("a").value_of("accuracy") == 0.75);
  CHECK(record.site_metrics.at("b").value_of("accuracy") == 1.0);
  CHECK(record.model != *status.model);
  CHECK(status.history[2].model == *status.model);
}

TEST_CASE("bytes of a round are the models that the sites didn't hold yet, and their vectors") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  const std::uint64_t model = bench.initial.size() * 4;
  const std::uint64_t update = bench.order("a").layout.word_count() * 4;
  bench.complete(kAll);
  const std::uint64_t counts = bench.order("a").layout.word_count() * 4;
  bench.complete(kAll);
  bench.complete(kAll);
  bench.complete(kAll);
  const auto& history = bench.driver->status().history;
  CHECK(history.at(0).bytes == 4 * (model + update) + 4 * (model + counts));
  CHECK(history.at(1).bytes == 4 * update + 4 * (model + counts));  // the evaluation sent the model already
}

TEST_CASE("every order of arrival gives the same model bytes") {
  std::vector<std::string> order = kAll;
  std::optional<crypto::Digest> reference;
  do {
    Bench bench;
    bench.start();
    bench.complete(kAll);
    bench.complete(order);
    const crypto::Digest model = *bench.driver->status().model;
    CHECK(model != bench.initial_digest);
    if (!reference) reference = model;
    CHECK(model == *reference);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("population weighting divides by contributors over members, cohort weighting by the contributors' share") {
  job::JobSpec spec = some_job();
  spec.evaluation.every = 0;
  spec.strategy.weighting = GENERATE(job::Weighting::kCohort, job::Weighting::kPopulation);
  Bench bench(spec);
  bench.start();
  bench.complete(kAll);
  bench.driver->site_failed("d", bench.offer("d").key, "training failed: out of memory", bench.now);
  bench.complete({"a", "b", "c"});
  const auto& record = bench.driver->status().history.at(0);
  CHECK(record.failed.at("d") == "training failed: out of memory");
  CHECK(record.contributed == std::vector<std::string>{"a", "b", "c"});
  const double divisor = spec.strategy.weighting == job::Weighting::kCohort ? 0.6 : 0.75;
  const auto model = bench.model(record.model);
  for (std::size_t i = 0; i < model.size(); ++i) {
    double sum = 0.0;
    for (const std::string& site : record.contributed) {
      sum += static_cast<double>(bench.examples.at(site)) / 100.0 * static_cast<double>(bench.delta(site, 1)[i]);
    }
    CHECK(model[i] == Approx(static_cast<double>(bench.initial[i]) + sum / divisor).epsilon(1e-6));
  }
}

TEST_CASE("a vector of the wrong size is refused, the site has failed, and the round goes on without it") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  auto words = bench.words_of("b");
  CHECK(bench.driver->expected_words("b", bench.offer("b").key).value() == words.size());
  words.push_back(0);
  const auto refused = bench.upload("b", words);
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("vector of b") && Catch::Contains("expected"));
  CHECK_THAT(bench.driver->status().sites.at("b"), Catch::StartsWith("failed: "));
  CHECK_FALSE(bench.driver->expected_words("b", bench.offer("b").key).has_value());
  bench.complete({"a", "c", "d"});
  CHECK(bench.driver->status().phase == report::JobPhase::kEvaluating);
}

TEST_CASE("a vector twice, too late, for another session or from a site outside changes nothing") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  const auto key = bench.offer("a").key;
  const auto words = bench.words_of("a");
  REQUIRE(bench.upload("a", words).has_value());
  const auto refused = [&](const std::string& site, const job::SessionKey& session) {
    aggregation::MemoryWords source(words);
    const auto result = bench.driver->vector_received(site, session, source, bench.now);
    CHECK_FALSE(result.has_value());
    CHECK_FALSE(bench.driver->expected_words(site, session).has_value());
    CHECK(bench.driver->status().phase == report::JobPhase::kTraining);
  };
  refused("a", key);
  refused("mallory", key);
  refused("b", {"tiny-1", SumKind::kTrain, 2, 1});
  refused("b", {"tiny-2", SumKind::kTrain, 1, 1});
  bench.complete({"b", "c", "d"});
  aggregation::MemoryWords late(words);
  CHECK_FALSE(bench.driver->vector_received("a", key, late, bench.now).has_value());
  // The bytes are the same as without the failed try.
  Bench other;
  other.start();
  other.complete(kAll);
  other.complete(kAll);
  CHECK(bench.driver->status().model == other.driver->status().model);
}

TEST_CASE("evaluation counts that contradict each other are refused, and the others' metrics stand") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  bench.complete(kAll);
  auto words = bench.words_of("a");
  SECTION("confusion") { words[bench.order("a").layout.find(task::kConfusion)->offset] += 1; }
  SECTION("a limb beyond 16 bits") { words[bench.order("a").layout.find(encoding::kLoss)->offset] = 0x10000; }
  CHECK_FALSE(bench.upload("a", words).has_value());
  bench.complete({"b", "c", "d"});
  const auto& record = bench.driver->status().history.at(0);
  CHECK(record.metrics->examples == 12);
  CHECK(record.metrics->value_of("accuracy") == 1.0);
  CHECK_FALSE(record.site_metrics.contains("a"));
  CHECK(record.evaluation_failed.contains("a"));
}

TEST_CASE("a vector that can't be read back doesn't spoil the others when none of it was added") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  BrokenWords broken(bench.words_of("a").size());
  CHECK_FALSE(bench.driver->vector_received("a", bench.offer("a").key, broken, bench.now).has_value());
  CHECK(bench.offer("b").key.attempt == 1);
  bench.complete({"b", "c", "d"});
  CHECK(bench.driver->status().phase == report::JobPhase::kEvaluating);
}

TEST_CASE("the quorum commits at the deadline; the late site is told that its session is closed") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  const auto key = bench.offer("d").key;
  bench.complete({"a", "b", "c"});
  CHECK(bench.driver->next_deadline() == bench.now + std::chrono::minutes(1));
  bench.now += std::chrono::minutes(1);
  bench.driver->tick(bench.now);
  CHECK(bench.driver->status().phase == report::JobPhase::kEvaluating);
  const auto& messages = bench.sent.at("d");
  CHECK(std::any_of(messages.begin(), messages.end(), [&](const auto& message) {
    const auto* closed = std::get_if<wire::SessionClosed>(&message);
    return closed != nullptr && closed->key == key;
  }));
}

TEST_CASE("a running job keeps its last two models; once it has ended the last one alone") {
  job::JobSpec spec = some_job();
  spec.federation.rounds = 5;
  spec.evaluation.every = 0;
  Bench bench(spec);
  bench.start();
  bench.complete(kAll);
  CHECK(bench.blobs->size(bench.initial_digest).has_value());
  bench.complete(kAll);
  CHECK(bench.blobs->size(bench.initial_digest).has_value());
  for (int round = 1; round < 4; ++round) bench.complete(kAll);
  CHECK_FALSE(bench.blobs->size(bench.initial_digest).has_value());
  const auto there = [&](std::size_t first) {
    const auto& history = bench.driver->status().history;
    for (std::size_t i = 0; i < history.size(); ++i)
      CHECK(bench.blobs->size(history[i].model).has_value() == (i >= first));
  };
  there(2);
  SECTION("finished") { bench.complete(kAll); }
  SECTION("stopped") { bench.driver->stop("stopped by alice", bench.now); }
  REQUIRE(bench.driver->ended());
  const auto kept = bench.driver->kept_model();
  bench.driver.reset();
  REQUIRE(kept.has_value());
  CHECK(bench.blobs->size(*kept).has_value());
  CHECK(std::distance(std::filesystem::directory_iterator(bench.folder), {}) == 1);
  bench.blobs->release(*kept);
  CHECK_FALSE(bench.blobs->size(*kept).has_value());
}

TEST_CASE("a job that stops early keeps the model of its best round, and no other") {
  job::JobSpec spec = some_job();
  spec.federation.rounds = 9;
  spec.evaluation.metric = "accuracy";
  spec.evaluation.patience = 3;
  spec.evaluation.keep_best = GENERATE(false, true);
  Bench bench(spec);
  bench.start();
  bench.complete(kAll);
  // Every evaluation has the same accuracy, so the first round stays the best.
  for (int session = 0; session < 8; ++session) bench.complete(kAll);
  REQUIRE(bench.driver->ended());
  const report::JobStatus status = bench.driver->status();
  CHECK(status.phase == report::JobPhase::kFinished);
  REQUIRE(status.history.size() == 4);
  CHECK_THAT(status.detail, Catch::Contains("no better accuracy in 3 evaluations") &&
                                Catch::Contains("the best round by accuracy was round 1, with 0.9375"));
  CHECK(status.model == status.history[spec.evaluation.keep_best ? 0 : 3].model);
  CHECK(bench.driver->kept_model() == status.model);
  bench.driver.reset();
  CHECK(bench.blobs->size(*status.model).has_value());
  CHECK(std::distance(std::filesystem::directory_iterator(bench.folder), {}) == 1);
}

TEST_CASE("a job that ends before its first round is committed leaves nothing in the store") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  bench.driver->stop("stopped by alice", bench.now);
  CHECK_FALSE(bench.driver->kept_model().has_value());
  bench.driver.reset();
  CHECK(std::filesystem::is_empty(bench.folder));
}

TEST_CASE("effects are in the journal before anybody is told; where it can't be written, the job ends") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  const auto entries = bench.memory_journal.entries();
  std::vector<std::string> kinds;
  for (const auto& entry : entries) kinds.push_back(entry.kind);
  CHECK(kinds == std::vector<std::string>{"ask", "ask", "ask", "ask", "offer", "close", "offer"});
  for (std::size_t i = 0; i < entries.size(); ++i) CHECK(entries[i].effect_id == i + 1);

  RefusingJournal refusing(5);
  Bench broken(some_job(), &refusing);
  broken.start();
  CHECK(broken.driver->ended());
  CHECK_THAT(broken.driver->status().detail, Catch::Contains("journal") && Catch::Contains("disk full"));
  CHECK(broken.outcomes("a").size() == 1);
  for (const auto& message : broken.sent.at("a")) CHECK_FALSE(std::holds_alternative<wire::SessionOffer>(message));
}

TEST_CASE("stopping tells the sites, and the last model stays") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  bench.complete(kAll);
  bench.complete(kAll);
  bench.driver->stop("stopped by alice", bench.now);
  CHECK(bench.driver->ended());
  CHECK(bench.driver->status().phase == report::JobPhase::kStopped);
  CHECK(bench.driver->status().detail == "stopped by alice");
  CHECK(bench.driver->status().round == 1);
  CHECK(bench.outcomes("c") == std::vector<std::string>{"stopped by alice"});
  CHECK(bench.blobs->size(*bench.driver->status().model).has_value());
  CHECK_FALSE(bench.driver->next_deadline().has_value());
  const int changes = bench.changes;
  bench.driver->tick(bench.now + std::chrono::hours(1));
  bench.driver->site_left("a", bench.now);
  CHECK(bench.changes == changes);
}

TEST_CASE("a declining site is shown with its reason, and the job goes on with the others") {
  Bench bench;
  bench.driver->begin(bench.now);
  CHECK(bench.driver->status().phase == report::JobPhase::kRecruiting);
  for (const auto& site : kAll) bench.driver->site_connected(site, bench.now);
  CHECK(std::get<wire::JobOffer>(bench.sent.at("a").at(0)).signature.certificate == "alice");
  for (const auto& site : {"a", "b", "c"})
    bench.driver->job_answer(site, {"tiny-1", wire::JobConsent::kAccepted, ""}, bench.now);
  bench.driver->job_answer("d", {"tiny-1", wire::JobConsent::kDeclined, "datasets"}, bench.now);
  CHECK(bench.driver->status().sites.at("d") == "declined: datasets");
  bench.complete({"a", "b", "c"});
  CHECK(bench.driver->status().examples == 60);
  CHECK(bench.driver->status().phase == report::JobPhase::kTraining);
}

TEST_CASE("what a site does is shown while its session is open") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  const auto key = bench.offer("a").key;
  CHECK(bench.driver->status().sites.at("a") == "training");
  bench.driver->progress("a", {key, wire::SitePhase::kFetching});
  CHECK(bench.driver->status().sites.at("a") == "fetching");
  bench.driver->progress("a", {{"tiny-1", SumKind::kTrain, 9, 1}, wire::SitePhase::kUploading});
  CHECK(bench.driver->status().sites.at("a") == "fetching");
  bench.complete({"a"});
  CHECK(bench.driver->status().sites.at("a") == "answered");
  bench.driver->partial_received("b", key, bench.now);
  CHECK(bench.driver->status().sites.at("b") == "partial");
  bench.driver->site_left("c", bench.now);
  CHECK(bench.driver->status().sites.at("c") == "failed: disconnected");
}

TEST_CASE("a round lasts until its model is published, which in mode masked the sites have signed before") {
  StatusBoard board("tiny-1", some_job(), crypto::Digest{});
  TimePoint now{};
  OpenSession open;
  open.key = {"tiny-1", SumKind::kTrain, 1, 1};
  CloseSum close;
  close.key = open.key;
  board.opened(open, crypto::Digest{}, 8, now);
  now += std::chrono::seconds(10);
  board.trained(close, {}, now);
  now += std::chrono::seconds(3);
  board.published(crypto::sha256("the next model"), now);
  board.finish_round();
  REQUIRE(board.status().history.size() == 1);
  CHECK(board.status().history[0].seconds == 13.0);
  const report::RoundRecord& record = board.status().history[0];
  CHECK(record.started_seconds > 1'700'000'000);
  CHECK(record.ended_seconds >= record.started_seconds);
  CHECK(board.status().started_seconds <= record.started_seconds);
  CHECK(board.status().started_seconds > 1'700'000'000);
  CHECK(board.status().ended_seconds == 0);
}

TEST_CASE("time counts from a round's offer, and gives the time that is left") {
  Bench bench;
  bench.start();
  bench.complete(kAll);
  CHECK_FALSE(bench.driver->status().eta_seconds.has_value());
  bench.now += std::chrono::seconds(10);
  bench.complete(kAll);
  bench.now += std::chrono::seconds(2);
  bench.complete(kAll);
  const auto& record = bench.driver->status().history.at(0);
  CHECK(record.seconds >= 10.0);
  CHECK(record.evaluation_seconds == 2.0);
  CHECK(bench.driver->status().eta_seconds.value() == Approx(2 * (record.seconds + 2.0)));
}

TEST_CASE("a job whose initial weights don't fit its model is refused") {
  Bench bench;
  const std::vector<float> wrong(bench.initial.size() + 1);
  const auto digest = bench.blobs->put(std::as_bytes(std::span(wrong))).value();
  JobDriver::Parts parts{bench, bench.memory_journal, *bench.blobs, {}};
  CHECK_FALSE(JobDriver::create("x", {}, bench.spec, digest, parts).has_value());
  CHECK_FALSE(JobDriver::create("x", {}, bench.spec, crypto::sha256("nothing"), parts).has_value());
}

TEST_CASE(
    "a vector that breaks off half-way spoils the sum: the attempt is repeated, and gives the bytes of an untroubled "
    "one") {
  job::JobSpec spec = some_job();
  spec.model.input = {9000};  // more words than are folded at once
  Bench bench(spec);
  bench.start();
  bench.complete(kAll);
  const auto words = bench.words_of("a");
  bench.complete({"b", "c"});
  HalfWords half(words);
  CHECK_FALSE(bench.driver->vector_received("a", bench.offer("a").key, half, bench.now).has_value());
  for (const auto& site : kAll) CHECK(bench.offer(site).key == job::SessionKey{"tiny-1", SumKind::kTrain, 1, 2});
  bench.complete(kAll);
  Bench untroubled(spec);
  untroubled.start();
  untroubled.complete(kAll);
  untroubled.complete(kAll);
  CHECK(bench.driver->status().model == untroubled.driver->status().model);
}

TEST_CASE("a site that joins late is counted at the next boundary and sampled from then on") {
  job::JobSpec spec = some_job();
  spec.evaluation.every = 0;
  Bench bench(spec);
  bench.driver->begin(bench.now);
  for (const char* site : {"a", "b", "c"}) bench.driver->site_connected(site, bench.now);
  for (const char* site : {"a", "b", "c"})
    bench.driver->job_answer(site, {"tiny-1", wire::JobConsent::kAccepted, ""}, bench.now);
  bench.complete({"a", "b", "c"});
  CHECK(bench.order("a").normaliser == 60);
  bench.driver->site_connected("d", bench.now);
  bench.driver->job_answer("d", {"tiny-1", wire::JobConsent::kAccepted, ""}, bench.now);
  bench.complete({"a", "b", "c"});
  CHECK(bench.order("d").kind == SumKind::kCensus);
  bench.complete({"d"});
  CHECK(bench.order("d").kind == SumKind::kTrain);
  CHECK(bench.order("d").normaliser == 60);  // 100 < 2 x 60: the ring can still hold every sum
  bench.complete(kAll);
  const auto& history = bench.driver->status().history;
  REQUIRE(history.size() == 2);
  CHECK(history[0].contributed == std::vector<std::string>{"a", "b", "c"});
  CHECK(history[1].contributed == kAll);
  const auto before = bench.model(history[0].model);
  const auto after = bench.model(history[1].model);
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i] - before[i] == Approx(0.75 + static_cast<double>(i) * 0.125 + 2).epsilon(1e-5));
  }
}

TEST_CASE("with balanced class weights every order has the census's label counts, and no census has any") {
  job::JobSpec spec = some_job();
  spec.training.loss.balanced = true;
  Bench bench(spec);
  bench.start();
  CHECK(bench.order("a").labels.empty());
  bench.complete(kAll);
  CHECK(bench.order("a").kind == SumKind::kTrain);
  CHECK(bench.order("a").labels.examples == 100);
  CHECK(bench.order("a").labels.classes.size() == static_cast<std::size_t>(spec.model.classes));
  bench.complete(kAll);
  CHECK(bench.order("b").kind == SumKind::kEvaluate);
  CHECK(bench.order("b").labels == bench.order("a").labels);
}
