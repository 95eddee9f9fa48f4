// A driver and real sites with masks: which sites can be missing, and the consequences.
#include "tests/unit/coordinator/round/masked_bench.h"

using namespace consilium;
using namespace consilium::round;
using job::SumKind;
using report::JobPhase;
using Names = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const std::string kFirst = "site-000", kSecond = "site-001", kThird = "site-002", kLast = "site-004";

/// Returns the model of the same job without masks, in which `contributed[round - 1]` answer.
crypto::Digest plain_model(std::size_t sites, const std::vector<Names>& contributed) {
  job::JobSpec spec = MaskedBench::job_of(sites);
  spec.federation.rounds = static_cast<std::uint32_t>(contributed.size());
  spec.federation.roster.clear();
  spec.federation.quorum = 0.1;
  spec.privacy.secure_aggregation = job::SecureAggregation::kOff;
  spec.privacy.colluding_sites.reset();
  Bench bench(spec);
  bench.examples = MaskedBench::examples_of(sites);
  bench.start();
  bench.complete(spec.federation.sites);
  for (const Names& names : contributed) {
    bench.complete(names);
    bench.now += std::chrono::minutes(1);
    bench.driver->tick(bench.now);  // sites that haven't answered count as missing
  }
  REQUIRE(bench.driver->ended());
  return *bench.driver->status().model;
}

Names without(Names names, const std::string& name) {
  std::erase(names, name);
  return names;
}

const Names kFive = MaskedBench::names(5);
const Names kFour = without(kFive, kLast);

/// Two groups of three, each counted separately.
job::JobSpec grouped_job() {
  job::JobSpec spec = MaskedBench::job_of(6);
  const Names all = spec.federation.sites;
  spec.federation.count_groups = {{all.begin(), all.begin() + 3}, {all.begin() + 3, all.end()}};
  spec.evaluation.every = 1;
  return spec;
}

}  // namespace

TEST_CASE("a masked job gives the bytes of the plain one, and the federation's metrics, but nobody's own") {
  job::JobSpec spec = MaskedBench::job_of(5);
  spec.evaluation.every = 1;
  MaskedBench masked(spec);
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  CHECK(masked.status().model == plain_model(5, {kFive, kFive}));
  std::uint64_t examples = 0;
  for (const auto& [site, n] : masked.bench.examples) examples += n;
  CHECK(masked.status().examples == examples);
  for (const auto& record : masked.status().history) {
    CHECK(record.contributed == kFive);
    REQUIRE(record.metrics.has_value());
    CHECK(record.metrics->examples == 5 * 4);
    CHECK(record.site_metrics.empty());
  }
}

TEST_CASE("a site that leaves at any step is missed, and the round completes while t are left") {
  const auto [at, counted] = GENERATE(table<At, bool>(
      {{At::kAdvertise, false}, {At::kShare, false}, {At::kUpload, false}, {At::kConfirm, true}, {At::kReveal, true}}));
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kTrain, 1, at};
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  const auto& history = masked.status().history;
  CHECK(history.at(0).contributed == (counted ? kFive : kFour));
  CHECK(history.at(0).failed.contains(kLast) == !counted);
  CHECK(history.at(1).contributed == kFour);
  CHECK(masked.status().model == plain_model(5, {counted ? kFive : kFour, kFour}));
}

TEST_CASE("a site that leaves during the census is no member, and the job goes on without it") {
  const At at = GENERATE(At::kAdvertise, At::kShare, At::kUpload);
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kCensus, 0, at};
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  std::uint64_t examples = 0;
  for (const std::string& site : kFour) examples += masked.bench.examples.at(site);
  CHECK(masked.status().examples == examples);
}

TEST_CASE("below t before anybody confirms, the attempt is made anew with those who are there") {
  const At at = GENERATE(At::kShare, At::kUpload);
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kTrain, 1, at};
  masked.troubles["site-003"] = {SumKind::kTrain, 1, at};
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  const Names three(kFive.begin(), kFive.begin() + 3);
  CHECK(masked.status().history.at(0).contributed == three);
  CHECK(masked.status().model == plain_model(5, {three, three}));
  CHECK(masked.sites.at(kFirst).closed.contains({"tiny-1", SumKind::kTrain, 1, 1}));
  for (const auto& [name, site] : masked.sites) CHECK(site.refused.empty());
}

TEST_CASE("below t before anybody confirms, time and again, the job fails and says how many were needed") {
  const auto [at, why] = GENERATE(table<At, std::string>({{At::kAdvertise, "2 sites advertised keys; 3 are needed"},
                                                          {At::kShare, "2 of 5 sites shared keys, 4 are needed"},
                                                          {At::kUpload, "answered, but the quorum of 0.6 needs 3"}}));
  MaskedBench masked(MaskedBench::job_of(5));
  for (const char* site : {"site-002", "site-003", "site-004"}) masked.troubles[site] = {SumKind::kTrain, 1, at, true};
  masked.start();
  for (int i = 0; i < 20 && !masked.bench.driver->ended(); ++i) {
    masked.pass(*masked.bench.driver->next_deadline() - masked.bench.now);
    // They are back for every attempt, and become silent again.
    for (const char* site : {"site-002", "site-003", "site-004"}) {
      if (masked.sites.at(site).silent) masked.troubles[site] = {SumKind::kTrain, 1, at, true};
      masked.sites.at(site).silent = false;
    }
    masked.pump();
  }
  REQUIRE(masked.status().phase == JobPhase::kFailed);
  CHECK_THAT(masked.status().detail, Catch::Contains(why));
  CHECK(masked.bench.offer(kFirst).key.attempt == 3);
  CHECK(masked.status().history.empty());
}

TEST_CASE("a quorum of vectors that is fewer than t comes to nothing before anybody is asked") {
  MaskedBench masked(MaskedBench::job_of(5));
  for (const char* site : {"site-003", "site-004"}) masked.troubles[site] = {SumKind::kTrain, 1, At::kUpload, true};
  masked.start();
  masked.pass(std::chrono::minutes(1));
  CHECK(masked.bench.offer(kFirst).key == job::SessionKey{"tiny-1", SumKind::kTrain, 1, 2});
  CHECK(masked.sites.at(kFirst).closed.contains({"tiny-1", SumKind::kTrain, 1, 1}));
  for (const auto& [name, site] : masked.sites) CHECK(site.refused.empty());
}

TEST_CASE("below t once survivors were asked, the round waits for them, and ends the job when they don't return") {
  const auto [at, why] = GENERATE(table<At, std::string>(
      {{At::kConfirm, "3 of 5 survivors confirmed, 4 are needed"}, {At::kReveal, "too few shares were revealed"}}));
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kTrain, 1, at};
  masked.troubles["site-003"] = {SumKind::kTrain, 1, at};
  masked.start();
  CHECK_FALSE(masked.bench.driver->ended());
  CHECK_THAT(masked.status().detail, Catch::Contains("removing the masks"));

  SECTION("they don't") {
    masked.pass(std::chrono::minutes(1) - milliseconds(1));
    CHECK_FALSE(masked.bench.driver->ended());
    masked.pass(milliseconds(1));
    REQUIRE(masked.status().phase == JobPhase::kFailed);
    CHECK_THAT(masked.status().detail, Catch::Contains(why));
    CHECK_THAT(masked.status().detail, Catch::Contains("site-003: no answer while") &&
                                           Catch::Contains(std::string(kLast) + ": no answer while"));
    CHECK(masked.status().model == masked.bench.initial_digest);
    CHECK(masked.bench.offer(kFirst).key.attempt == 1);
  }
  SECTION("one of them does: it is told again what it has missed") {
    masked.connect(kLast);
    masked.pump();
    REQUIRE(masked.status().phase == JobPhase::kFinished);
    CHECK(masked.status().history.at(0).contributed == kFive);
    CHECK(masked.status().model == plain_model(5, {kFive, without(kFive, "site-003")}));
  }
}

TEST_CASE("a site that comes back after its confirmation answers again, word for word, and reveals") {
  MaskedBench masked(MaskedBench::job_of(5));
  for (const std::string& site : {kThird, std::string("site-003"), kLast})
    masked.troubles[site] = {SumKind::kTrain, 1, At::kReveal};
  masked.start();
  masked.connect(kThird);
  masked.pump();
  CHECK_FALSE(masked.bench.driver->ended());
  masked.connect(kLast);
  masked.pump();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  CHECK(masked.status().history.at(0).contributed == kFive);
}

TEST_CASE(
    "sites that say nothing while keys are agreed on are missed after a third of the deadline, a minute at most") {
  const At at = GENERATE(At::kAdvertise, At::kShare);
  job::JobSpec spec = MaskedBench::job_of(5);
  const bool long_deadline = GENERATE(false, true);
  if (long_deadline) spec.federation.deadline = std::chrono::hours(1);
  const Clock::duration limit = long_deadline ? Clock::duration(seconds(60)) : Clock::duration(seconds(20));
  MaskedBench masked(spec);
  masked.troubles[kLast] = {SumKind::kTrain, 1, at, true};
  masked.start();
  CHECK(masked.bench.driver->next_deadline() == masked.bench.now + limit);
  masked.pass(limit - milliseconds(1));
  CHECK(masked.status().round == 1);
  CHECK(masked.status().phase == JobPhase::kTraining);
  CHECK(masked.status().history.empty());
  masked.pass(milliseconds(1));
  REQUIRE_FALSE(masked.status().history.empty());
  CHECK(masked.status().history.at(0).contributed == kFour);
  CHECK(masked.status().history.at(0).failed.at(kLast) ==
        (at == At::kAdvertise ? "no answer while advertising" : "no answer while sharing"));
}

TEST_CASE("a stream that takes another's place loses the site at once, not when time is up") {
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kTrain, 1, At::kAdvertise, true};
  masked.start();
  CHECK(masked.status().history.empty());
  masked.connect(kLast);
  masked.pump();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  CHECK(masked.status().history.at(0).contributed == kFour);
  CHECK(masked.status().history.at(1).contributed == kFive);
}

TEST_CASE("a group in which a site is missing gives no counts, the other group's metrics are there") {
  const auto [at, silent] = GENERATE(table<At, bool>({{At::kAdvertise, false},
                                                      {At::kShare, false},
                                                      {At::kUpload, false},
                                                      {At::kUpload, true},
                                                      {At::kConfirm, false},
                                                      {At::kReveal, false}}));
  MaskedBench masked(grouped_job());
  masked.troubles["site-005"] = {SumKind::kEvaluate, 1, at, silent};
  masked.start();
  if (masked.status().round == 1) masked.pass(std::chrono::minutes(1));  // the deadline
  REQUIRE_FALSE(masked.status().history.empty());
  const auto& record = masked.status().history.at(0);
  REQUIRE(record.metrics.has_value());
  CHECK(record.metrics->examples == 3 * 4);
  for (const char* site : {"site-003", "site-004", "site-005"}) CHECK(record.evaluation_failed.contains(site));
  CHECK_FALSE(record.evaluation_failed.contains(kFirst));
  // No site was asked to confirm a sum that it would have had to refuse, and none was left waiting.
  for (const auto& [name, site] : masked.sites) CHECK(site.refused.empty());
  CHECK(masked.sites.at("site-003").closed.contains({"tiny-1", SumKind::kEvaluate, 1, 1}));
  masked.connect("site-005");
  masked.pump();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
}

TEST_CASE("an evaluation of one group in which a site is missing is missed, and the next round begins") {
  job::JobSpec spec = MaskedBench::job_of(5);
  spec.evaluation.every = 1;
  MaskedBench masked(spec);
  masked.troubles[kLast] = {SumKind::kEvaluate, 1, GENERATE(At::kAdvertise, At::kUpload)};
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  CHECK_FALSE(masked.status().history.at(0).metrics.has_value());
  CHECK(masked.status().history.at(0).contributed == kFive);
  for (const auto& [name, site] : masked.sites) CHECK(site.refused.empty());
}

TEST_CASE("a site that lies loses its place, and is named with what was wrong") {
  MaskedBench masked(MaskedBench::job_of(5));
  const auto liar = [](const std::string& site, const job::SessionKey& key) {
    return site == kLast && key.kind == SumKind::kTrain && key.round == 1;
  };
  std::string why;
  SECTION("with a forged advert") {
    masked.lie = [&](const std::string& site, const job::SessionKey& key, secagg::SiteMessage& said) {
      if (auto* advert = std::get_if<secagg::Advert>(&said); advert != nullptr && liar(site, key))
        advert->signature.at(0) ^= std::byte{1};
    };
    why = "the signature isn't that of site-004";
  }
  SECTION("with shares for too few") {
    masked.lie = [&](const std::string& site, const job::SessionKey& key, secagg::SiteMessage& said) {
      if (auto* shares = std::get_if<secagg::Shares>(&said); shares != nullptr && liar(site, key)) {
        shares->commitments.pop_back();
        shares->boxes.pop_back();
      }
    };
    why = "found shares for 4 sites, expected 5";
  }
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  const auto& record = masked.status().history.at(0);
  CHECK_THAT(record.failed.at(kLast), Catch::Contains(why));
  CHECK(record.contributed == kFour);
  CHECK_THAT(masked.sites.at(kLast).closed.at({"tiny-1", SumKind::kTrain, 1, 1}), Catch::Contains(why));
  CHECK(masked.status().history.at(1).contributed == kFive);
}

TEST_CASE("a share that isn't the one committed to is left out, and t others do") {
  MaskedBench masked(MaskedBench::job_of(5));
  masked.lie = [&](const std::string& site, const job::SessionKey&, secagg::SiteMessage& said) {
    if (auto* reveal = std::get_if<secagg::Reveal>(&said); reveal != nullptr && site == kFirst)
      reveal->shares.at(1)[0] ^= 1;
  };
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  CHECK(masked.status().model == plain_model(5, {kFive, kFive}));
}

TEST_CASE("a site whose secret isn't the one it committed to ends the job by name: the sum can't be read") {
  MaskedBench masked(MaskedBench::job_of(5));
  masked.lie = [&](const std::string& site, const job::SessionKey& key, secagg::SiteMessage& said) {
    if (auto* shares = std::get_if<secagg::Shares>(&said);
        shares != nullptr && site == kSecond && key.kind == SumKind::kTrain)
      shares->seed[0] ^= 1;
  };
  masked.start();
  REQUIRE(masked.status().phase == JobPhase::kFailed);
  CHECK_THAT(masked.status().detail, Catch::Contains("the seed of site-001 isn't the one that it committed to"));
  CHECK(masked.status().model == masked.bench.initial_digest);
}

TEST_CASE("bytes that are no message cost a site its place; those of a session that is over change nothing") {
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kTrain, 1, At::kShare, true};
  masked.start();
  const job::SessionKey key = masked.bench.offer(kLast).key;
  masked.bench.driver->masking_received(kLast, {{"tiny-1", SumKind::kCensus, 0, 1}, {std::byte{9}}}, masked.bench.now);
  CHECK(masked.bench.driver->next_deadline() == masked.bench.now + seconds(20));
  CHECK(masked.status().history.empty());
  masked.bench.driver->masking_received(kLast, {key, {std::byte{9}}}, masked.bench.now);
  masked.sites.at(kLast).silent = false;
  masked.pump();
  REQUIRE(masked.status().phase == JobPhase::kFinished);
  CHECK(masked.status().history.at(0).contributed == kFour);
}

TEST_CASE("no vector is taken before its site's keys are agreed on, nor twice") {
  MaskedBench masked(MaskedBench::job_of(5));
  masked.troubles[kLast] = {SumKind::kTrain, 1, At::kShare, true};
  masked.start();
  const job::SessionKey key = masked.bench.offer(kFirst).key;
  const auto refused = masked.bench.driver->expected_words(kFirst, key);
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("may not send its vector while sharing"));
}

TEST_CASE("a masked job is refused by a coordinator that can't do it, unless it is simulated") {
  const job::JobSpec spec = MaskedBench::job_of(5);
  MaskedBench other(spec);
  JobDriver::Parts parts{other.bench, other.bench.memory_journal, *other.bench.blobs, {}};
  const auto refused = JobDriver::create("x", {}, spec, other.bench.initial_digest, parts);
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("secure aggregation"));
  parts.simulated = true;
  CHECK(JobDriver::create("x", {}, spec, other.bench.initial_digest, parts).has_value());
}

TEST_CASE("neither journal nor status of a masked job holds a site's count, loss or metric") {
  job::JobSpec spec = MaskedBench::job_of(5);
  spec.evaluation.every = 1;
  MaskedBench masked(spec);
  masked.troubles[kLast] = {SumKind::kTrain, 2, At::kUpload};
  masked.start();
  REQUIRE(masked.bench.driver->ended());
  std::string all = masked.status().detail;
  for (const journal::Entry& entry : masked.bench.memory_journal.entries()) all += entry.detail + '\n';
  for (const auto& [site, text] : masked.status().sites) all += text + '\n';
  CHECK(all.size() > 1000);
  for (const auto& [site, n] : masked.bench.examples) CHECK_THAT(all, !Catch::Contains(std::to_string(n)));
  CHECK_THAT(all, !Catch::Contains("examples\":7"));
  for (const auto& record : masked.status().history) CHECK(record.site_metrics.empty());
}
