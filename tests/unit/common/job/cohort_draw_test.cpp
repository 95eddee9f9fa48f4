#include "common/job/cohort_draw.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "tests/catch.h"
#include "tests/unit/common/job/job_fixtures.h"

using namespace consilium::job;

using Indices = std::vector<std::uint32_t>;

TEST_CASE("a draw depends on seed, round and names alone, and a missing site doesn't reorder the others") {
  std::vector<std::string> sites;
  for (int i = 0; i < 30; ++i) sites.push_back("site-" + std::to_string(i));
  const auto drawn = draw_cohort(7, 3, sites, 10);
  CHECK(drawn.size() == 10);
  CHECK(std::is_sorted(drawn.begin(), drawn.end()));
  auto shuffled = sites;
  std::reverse(shuffled.begin(), shuffled.end());
  CHECK(draw_cohort(7, 3, shuffled, 10) == drawn);
  CHECK(draw_cohort(8, 3, sites, 10) != drawn);
  CHECK(draw_cohort(7, 4, sites, 10) != drawn);
  auto without = sites;
  std::erase(without, drawn[4]);
  const auto redrawn = draw_cohort(7, 3, without, 10);
  std::vector<std::string> kept;
  std::set_intersection(drawn.begin(), drawn.end(), redrawn.begin(), redrawn.end(), std::back_inserter(kept));
  CHECK(kept.size() == 9);
  CHECK(draw_cohort(7, 3, {"only"}, 10) == std::vector<std::string>{"only"});
}

TEST_CASE("over many rounds every site is drawn about as often") {
  std::vector<std::string> sites = {"a", "b", "c", "d", "e"};
  std::map<std::string, int> drawn;
  for (std::uint32_t round = 1; round <= 1000; ++round) {
    for (const auto& site : draw_cohort(1, round, sites, 2)) ++drawn[site];
  }
  for (const auto& site : sites) CHECK(std::abs(drawn[site] - 400) < 80);
}

TEST_CASE("a census is over all groups, an evaluation over those that were counted, a round over those it draws") {
  const GroupDraw draw{7, 0.5, 6};
  const Indices counted{0, 2, 3, 5};
  CHECK(groups_summed(draw, SumKind::kCensus, 0, {}) == Indices{0, 1, 2, 3, 4, 5});
  CHECK(groups_summed(draw, SumKind::kEvaluate, 3, counted) == counted);
  std::map<std::uint32_t, int> times;
  for (std::uint32_t round = 1; round <= 100; ++round) {
    const Indices drawn = groups_summed(draw, SumKind::kTrain, round, counted);
    REQUIRE(drawn.size() == 2);
    CHECK(std::is_sorted(drawn.begin(), drawn.end()));
    for (const std::uint32_t group : drawn) ++times[group];
  }
  REQUIRE(times.size() == 4);
  for (const std::uint32_t group : counted) CHECK(times[group] > 25);
  CHECK(groups_summed({7, 1.0, 6}, SumKind::kTrain, 1, counted) == counted);
}

TEST_CASE("the groups of a round are those of its public seed, on any machine") {
  // Fixed values, because coordinators and sites of different versions have to draw the same groups.
  const GroupDraw draw{7, 0.5, 4};
  const Indices counted{0, 1, 2, 3};
  std::vector<Indices> rounds;
  for (std::uint32_t round = 1; round <= 4; ++round)
    rounds.push_back(groups_summed(draw, SumKind::kTrain, round, counted));
  CHECK(rounds == std::vector<Indices>{{0, 1}, {0, 1}, {2, 3}, {1, 2}});
}

TEST_CASE("a sum includes no group that it isn't over, and as many as the quorum asks for") {
  const std::vector<std::vector<std::string>> groups{
      {"a", "b", "c"}, {"d", "e", "f"}, {"g", "h", "i"}, {"j", "k", "l"}};
  std::vector<std::string> sites;
  for (const auto& group : groups) sites.insert(sites.end(), group.begin(), group.end());
  auto parsed = parse_job(
      "name: points\nmodel: {layers: [{linear: 2}], input: [4], classes: 2}\ndata: {dataset: points}\n"
      "training: {local_epochs: 1, batch_size: 5, optimizer: {name: sgd, learning_rate: 0.1}}\n"
      "federation: {rounds: 9, fraction: 0.5, quorum: 0.6}\nseed: 3\n",
      "job.yaml");
  REQUIRE(parsed);
  const JobSpec job = with_population(*parsed, simulated_roster(sites), 1, {"points", 10, groups, {}}).value();
  const Indices counted{0, 1, 2};
  const auto refused = [&](SumKind kind, const Indices& included) {
    const auto checked = check_groups_summed(job, kind, 1, counted, included);
    return checked ? std::string() : checked.error().message;
  };
  const Indices drawn = groups_summed(group_draw(job), SumKind::kTrain, 1, counted);
  REQUIRE(drawn.size() == 2);
  Indices others{0, 1, 2};
  for (const std::uint32_t group : drawn) std::erase(others, group);
  CHECK(refused(SumKind::kTrain, drawn).empty());
  CHECK(refused(SumKind::kTrain, {drawn[0]}) == "the sum covers 1 groups, but the job's quorum requires 2");
  CHECK(refused(SumKind::kTrain, {}) == "the sum covers 0 groups, but the job's quorum requires 2");
  CHECK(refused(SumKind::kTrain, {others[0]}).find("which the job's seed doesn't draw") != std::string::npos);
  CHECK(refused(SumKind::kTrain, counted).find("which the job's seed doesn't draw") != std::string::npos);
  CHECK(refused(SumKind::kTrain, {4}) == "the job has no group 4");
  CHECK(refused(SumKind::kEvaluate, counted).empty());
  CHECK_FALSE(refused(SumKind::kEvaluate, {3}).empty());
  CHECK(refused(SumKind::kCensus, {1, 3}).empty());
  CHECK_FALSE(refused(SumKind::kCensus, {3}).empty());
}
