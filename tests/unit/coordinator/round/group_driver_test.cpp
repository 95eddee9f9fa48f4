#include <algorithm>

#include "common/job/cohort_rules.h"
#include "common/job/masked_job.h"
#include "tests/unit/coordinator/round/driver_bench.h"

// The driver over whole groups (mode masked), with the simulator's plain sums: which group is asked when, which
// attempts are repeated, and what the sums are.
namespace consilium::round {
namespace {

using Names = std::vector<std::string>;

constexpr std::uint64_t kBound = 50;

job::JobSpec group_job(const std::vector<Names>& groups, double quorum = 1.0) {
  job::JobSpec spec = some_job();
  spec.privacy.secure_aggregation = job::SecureAggregation::kRequired;
  spec.federation.sites.clear();
  spec.federation.minimum_sites = 0;  // groups decide
  spec.federation.quorum = quorum;
  Names sites;
  for (const Names& group : groups) sites.insert(sites.end(), group.begin(), group.end());
  auto complete = job::with_population(std::move(spec), job::simulated_roster(sites), 1, {"tiny", kBound, groups, {}});
  INFO((complete ? std::string() : complete.error().message));
  REQUIRE(complete.has_value());
  return *std::move(complete);
}

/// Two groups of three sites.
struct TwoGroups : Bench {
  explicit TwoGroups(double quorum = 1.0) : Bench(group_job({{"a", "b", "c"}, {"x", "y", "z"}}, quorum)) {
    examples = {{"a", 10}, {"b", 20}, {"c", 30}, {"x", 1}, {"y", 2}, {"z", 50}};
    start();
  }
};

std::size_t offers_of(const Bench& bench, const std::string& site) {
  const auto& messages = bench.sent.at(site);
  return static_cast<std::size_t>(
      std::ranges::count_if(messages, [](const auto& one) { return std::holds_alternative<wire::SessionOffer>(one); }));
}

void come_back(Bench& bench, const std::string& site) {
  bench.driver->site_connected(site, bench.now);
  bench.driver->job_answer(site, {"tiny-1", wire::JobConsent::kAccepted, ""}, bench.now);
}

TEST_CASE("over whole groups every round's mean is weighted by the examples in its own sum") {
  Bench bench(group_job({{"a", "b", "c", "d"}}));
  bench.start();
  bench.complete({"a", "b", "c", "d"});  // census
  CHECK(bench.driver->status().examples == 100);
  CHECK(bench.order("a").normaliser == kBound * 4);
  bench.complete({"a", "b", "c", "d"});
  // Each delta is n / 40 + i / 8 + round: the mean over examples is (100 + 400 + 900 + 1600) / 100 / 40 + ...
  const auto first = bench.model(*bench.driver->status().model);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double expected = bench.initial[i] + 0.75 + 0.125 * static_cast<double>(i) + 1.0;
    CHECK(first[i] == Approx(expected).margin(1e-5));
  }
  bench.complete({"a", "b", "c", "d"});  // evaluation
  for (int round = 2; round <= 3; ++round) {
    bench.complete({"a", "b", "c", "d"});
    bench.complete({"a", "b", "c", "d"});
  }
  CHECK(bench.driver->ended());
  CHECK(bench.outcomes("a") == Names{"finished"});
  CHECK(bench.driver->status().history.size() == 3);
}

TEST_CASE("nothing is summed before all of a group are there, and the status says for whom it waits") {
  Bench bench(group_job({{"a", "b", "c", "d"}}));
  bench.driver->begin(bench.now);
  for (const std::string site : {"a", "b", "c"}) come_back(bench, site);
  CHECK(std::ranges::all_of(Names{"a", "b", "c"}, [&](const auto& site) { return offers_of(bench, site) == 0; }));
  CHECK_THAT(bench.driver->status().detail, Catch::Contains("waits for d"));
  come_back(bench, "d");
  CHECK(offers_of(bench, "a") == 1);
}

TEST_CASE("a member that is lost before its vector costs its group the attempt, and the other group nothing") {
  TwoGroups bench;
  bench.complete({"a", "b", "x", "y", "z"});
  bench.driver->site_left("c", bench.now);
  CHECK_THAT(bench.driver->status().detail, Catch::Contains("waits for c (gone since"));
  REQUIRE_FALSE(bench.upload("a", bench.words_of("a")));
  come_back(bench, "c");
  for (const std::string site : {"a", "b", "c"}) {
    CHECK(bench.offer(site).key.attempt == 2);
    CHECK(offers_of(bench, site) == 2);
  }
  CHECK(offers_of(bench, "x") == 1);
  bench.complete({"a", "b", "c"});
  CHECK(bench.driver->status().examples == 113);
}

TEST_CASE("a member that is lost after its vector isn't missed") {
  TwoGroups bench;
  bench.complete({"a", "b", "c", "x", "y"});
  bench.driver->site_left("x", bench.now);
  bench.complete({"z"});
  CHECK(bench.driver->status().examples == 113);
  CHECK_THAT(bench.driver->status().detail, Catch::Contains("round 1 of 3"));
  come_back(bench, "x");
  bench.complete({"a", "b", "c", "x", "y", "z"});
  CHECK(bench.driver->status().history.empty());  // its evaluation is still open
}

TEST_CASE("from the deadline on the quorum of groups is enough; before it everybody is waited for") {
  TwoGroups bench(0.5);
  bench.complete({"a", "b", "c", "x", "y", "z"});  // census
  bench.driver->site_left("z", bench.now);
  bench.complete({"a", "b", "c"});
  bench.now += std::chrono::seconds(59);
  bench.driver->tick(bench.now);
  CHECK_THAT(bench.driver->status().detail, Catch::Contains("round 1 of 3") && Catch::Contains("waits for z"));
  bench.now += std::chrono::seconds(2);
  bench.driver->tick(bench.now);
  REQUIRE(bench.order("a").kind == job::SumKind::kEvaluate);
  come_back(bench, "z");
  CHECK(bench.order("z").kind == job::SumKind::kEvaluate);
}

TEST_CASE("without the quorum of groups a round waits beyond its deadline, however long") {
  TwoGroups bench;
  bench.complete({"a", "b", "c", "x", "y", "z"});
  bench.driver->site_left("z", bench.now);
  bench.complete({"a", "b", "c"});
  bench.now += std::chrono::hours(20);
  bench.driver->tick(bench.now);
  CHECK_FALSE(bench.driver->ended());
  CHECK(bench.order("a").kind == job::SumKind::kTrain);
  come_back(bench, "z");
  bench.complete({"x", "y", "z"});
  CHECK(bench.order("a").kind == job::SumKind::kEvaluate);
}

TEST_CASE("a site whose result is unusable ends the job, and isn't named") {
  Bench bench(group_job({{"a", "b", "c", "d"}}));
  bench.start();
  bench.complete({"a", "b", "c", "d"});
  auto words = bench.words_of("c");
  Bench::put_count(bench.order("c"), encoding::kUnusable, {1}, words);
  bench.complete({"a", "b"});
  REQUIRE(bench.upload("c", words));
  bench.complete({"d"});
  REQUIRE(bench.driver->ended());
  CHECK_THAT(bench.outcomes("a").at(0), Catch::Contains("a site's result was unusable"));
  CHECK_FALSE(bench.driver->status().detail.find("site c") != std::string::npos);
}

TEST_CASE("a group whose attempts keep failing is given up, with the reason") {
  Bench bench(group_job({{"a", "b", "c", "d"}}));
  bench.start();
  for (int i = 0; i < 20 && !bench.driver->ended(); ++i) {
    bench.driver->site_failed("b", bench.offer("b").key, "failed: internal", bench.now);
    bench.now += std::chrono::minutes(2);
    bench.driver->tick(bench.now);
  }
  REQUIRE(bench.driver->ended());
  CHECK_THAT(bench.driver->status().detail, Catch::Contains("b: failed: internal"));
}

TEST_CASE("a vector of an attempt that is over, or a second one, is refused") {
  TwoGroups bench;
  const auto words = bench.words_of("a");
  REQUIRE(bench.upload("a", words));
  CHECK_FALSE(bench.upload("a", words));
  bench.driver->site_left("b", bench.now);
  come_back(bench, "b");
  aggregation::MemoryWords source(words);
  job::SessionKey old = bench.offer("a").key;
  old.attempt = 1;
  CHECK_FALSE(bench.driver->vector_received("a", old, source, bench.now));
  CHECK(bench.upload("a", words));
}

}  // namespace
}  // namespace consilium::round
