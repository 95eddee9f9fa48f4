// The machine of a masked job: which sites are counted, when sums are unmasked, and what is never repeated.
#include <algorithm>

#include "tests/catch.h"
#include "tests/unit/coordinator/round/machine_play.h"

using namespace consilium;
using namespace consilium::round;
using job::SumKind;
using Names = std::vector<std::string>;

namespace {

const Names kSites = {"east", "north", "south", "west"};

Rules masked_rules() {
  Rules rules;
  rules.job_id = "chest-1";
  rules.rounds = 3;
  rules.listed = {kSites.begin(), kSites.end()};
  rules.minimum_sites = 3;
  rules.quorum = 0.75;
  rules.deadline = std::chrono::minutes(15);
  rules.seed = 7;
  rules.masked = true;
  for (const std::string& site : kSites) rules.count_groups[site] = 0;
  return rules;
}

Play begun(Rules rules = masked_rules()) {
  Play play(std::move(rules));
  play.tell(Begin{});
  return play;
}

/// All sites have accepted and are counted; round 1 is open.
Play in_masked_round_one(Rules rules = masked_rules()) {
  const std::set<std::string> sites = rules.listed;
  Play play = begun(std::move(rules));
  for (const std::string& site : sites) play.tell(SiteConnected{site});
  for (const std::string& site : sites) play.tell(SiteAccepted{site});
  play.complete();
  REQUIRE(play.collecting(SumKind::kTrain, 1));
  return play;
}

/// Round 1 is committed; its evaluation is open.
Play in_evaluation(Rules rules = masked_rules()) {
  rules.evaluate_every = 1;
  Play play = in_masked_round_one(std::move(rules));
  play.complete();
  return play;
}

/// Two groups of three.
Rules grouped_rules() {
  Rules rules = masked_rules();
  rules.count_groups = {{"a1", 0}, {"a2", 0}, {"a3", 0}, {"b1", 1}, {"b2", 1}, {"b3", 1}};
  rules.listed.clear();
  for (const auto& [site, group] : rules.count_groups) rules.listed.insert(site);
  rules.evaluate_every = 1;
  return rules;
}

/// All vectors have arrived, and the masks are to be removed.
job::SessionKey all_sent(Play& play) {
  const job::SessionKey key = play.session()->key;
  for (const std::string& site : play.cohort()) play.answer(site);
  REQUIRE(std::holds_alternative<Unmasking>(play.state.phase));
  return key;
}

bool told(const Play& play, const job::SessionKey& key, const std::string& site) {
  for (const CancelSession& cancel : play.actions<CancelSession>()) {
    if (cancel.key == key && std::ranges::find(cancel.sites, site) != cancel.sites.end()) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a masked census waits for every listed site, up to the deadline") {
  Play play = begun();
  for (const char* site : {"east", "north", "south"}) play.join(site);
  CHECK(play.session() == nullptr);

  SECTION("the last one comes") {
    play.join("west");
    CHECK(play.cohort() == kSites);
  }
  SECTION("the last one declines") {
    play.tell(SiteConnected{"west"});
    play.tell(SiteDeclined{"west", "no roster"});
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  SECTION("a person at the last one has to approve the job: it waits, past the deadline") {
    play.tell(SiteConnected{"west"});
    play.tell(SiteWaits{"west"});
    play.wait(std::chrono::hours(1));
    CHECK(play.session() == nullptr);
    CHECK_THAT(waiting_for(play.state), Catch::Contains("west: waits for approval at west"));
    SECTION("and they approve") {
      play.tell(SiteAccepted{"west"});
      CHECK(play.cohort() == kSites);
    }
    SECTION("and they decline") {
      play.tell(SiteDeclined{"west", "declined"});
      CHECK(play.cohort() == Names{"east", "north", "south"});
    }
    SECTION("and they never do: the job waits as long as it recruits") {
      CHECK(next_wakeup(play.state) > play.now + std::chrono::hours(22));
      play.wait(std::chrono::hours(22));
      CHECK(play.session() == nullptr);
      play.wait(std::chrono::hours(1));
      CHECK(play.cohort() == Names{"east", "north", "south"});
    }
  }
  SECTION("the last one never comes") {
    CHECK(next_wakeup(play.state) == play.now + std::chrono::minutes(15));
    play.wait(std::chrono::minutes(15) - std::chrono::milliseconds(1));
    CHECK(play.session() == nullptr);
    play.wait(std::chrono::milliseconds(1));
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  REQUIRE(play.session() != nullptr);
  CHECK(play.session()->key == job::SessionKey{"chest-1", SumKind::kCensus, 0, 1});
}

TEST_CASE("with too few sites a masked job sleeps past the census's deadline, and begins when there are enough") {
  Play play = begun();
  for (const char* site : {"east", "north"}) play.join(site);
  play.wait(std::chrono::minutes(20));
  REQUIRE(next_wakeup(play.state).has_value());
  CHECK(*next_wakeup(play.state) > play.now + std::chrono::hours(20));
  play.tell(SiteConnected{"south"});
  CHECK(next_wakeup(play.state) == play.now + std::chrono::seconds(5));  // the machine waits for its answer
  play.tell(SiteAccepted{"south"});
  CHECK(play.collecting(SumKind::kCensus, 0));
}

TEST_CASE("the census of a masked job happens once: who comes later takes no part") {
  Play play = begun();
  for (const char* site : {"east", "north", "south"}) play.join(site);
  play.wait(std::chrono::minutes(15));
  play.complete();
  REQUIRE(play.collecting(SumKind::kTrain, 1));
  play.join("west");
  play.complete();
  REQUIRE(play.collecting(SumKind::kTrain, 2));
  CHECK(play.cohort() == Names{"east", "north", "south"});
  CHECK_FALSE(play.state.sites.at("west").member);
  std::size_t censuses = 0;
  for (const OpenSession& opened : play.actions<OpenSession>())
    if (opened.key.kind == SumKind::kCensus) ++censuses;
  CHECK(censuses == 1);
}

TEST_CASE("a site that isn't a member doesn't make up for one that is missing") {
  Play play = begun();
  for (const char* site : {"east", "north", "south"}) play.join(site);
  play.wait(std::chrono::minutes(15));
  play.complete();
  play.join("west");
  play.answer("east");
  play.answer("north");
  play.answer("south");
  play.tell(SiteLeft{"south"});
  play.unmask();
  play.commit();
  CHECK(std::holds_alternative<Recruiting>(play.state.phase));
  CHECK_THAT(waiting_for(play.state), Catch::Contains("waiting for 3 sites, 2 accepted"));
  SECTION("until it is back") {
    play.join("south");
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  SECTION("and where it has declined, the job ends, for no other can take its place") {
    play.tell(SiteConnected{"south"});
    play.tell(SiteDeclined{"south", "no more"});
    REQUIRE(play.ended() != nullptr);
    CHECK_THAT(play.ended()->message, Catch::Contains("south: declined: no more"));
  }
}

TEST_CASE("a member that declines later stays a member: N is fixed, and its group isn't evaluated any more") {
  Rules rules = masked_rules();
  rules.evaluate_every = 1;
  Play play = in_masked_round_one(rules);
  const std::uint64_t normaliser = play.state.normaliser;
  play.tell(SiteLeft{"west"});
  play.tell(SiteConnected{"west"});
  play.tell(SiteDeclined{"west", "no more"});
  CHECK(play.state.sites.at("west").member);
  for (const char* site : {"east", "north", "south"}) play.answer(site);
  play.unmask();
  CHECK(play.actions<CloseSum>().back().members == 4);
  play.commit();
  CHECK(play.state.normaliser == normaliser);
  CHECK(play.state.member_examples == normaliser);
  REQUIRE(play.collecting(SumKind::kTrain, 2));
  CHECK(play.cohort() == Names{"east", "north", "south"});
}

TEST_CASE("an evaluation asks the groups that are complete, and no others") {
  Play play = in_masked_round_one(grouped_rules());
  for (const std::string& site : play.cohort()) play.answer(site);
  play.tell(SiteLeft{"b2"});
  play.unmask();
  play.commit();
  REQUIRE(play.collecting(SumKind::kEvaluate, 1));
  CHECK(play.cohort() == Names{"a1", "a2", "a3"});
}

TEST_CASE("a group whose masks came to nothing is missing from the counts, with the reason; the others are there") {
  Play play = in_evaluation(grouped_rules());
  const job::SessionKey key = all_sent(play);
  play.tell(Unmasked{key, {{"b1", "b3 lied"}, {"b2", "b3 lied"}, {"b3", "b3 lied"}}});
  const CloseSum closed = play.actions<CloseSum>().back();
  CHECK(closed.answers.at("a1").standing == Standing::kUpdate);
  CHECK(closed.answers.at("b2").standing == Standing::kFailed);
  CHECK(closed.answers.at("b2").reason == "b3 lied");
}

TEST_CASE("a masked sum is unmasked before it is closed") {
  Play play = in_masked_round_one();
  const job::SessionKey key = all_sent(play);
  CHECK(play.actions<UnmaskSum>().back().key == key);
  CHECK(play.actions<CloseSum>().size() == 1);  // that of the census
  play.tell(Committed{key, 0, {}});
  CHECK(play.refused.has_value());
  play.tell(Unmasked{{"chest-1", SumKind::kTrain, 1, 9}, {}});
  CHECK(play.refused.has_value());
  play.unmask();
  CHECK(play.actions<CloseSum>().back().key == key);
  play.commit();
  CHECK(play.state.round == 1);
}

TEST_CASE("what comes while the masks are taken off changes nothing") {
  Play play = in_masked_round_one();
  const job::SessionKey key = all_sent(play);
  const auto effects = play.state.last_effect;
  play.tell(Answered{"east", key, Standing::kUpdate, {}});
  CHECK_THAT(play.refused->message, Catch::Contains("masks are being removed"));
  play.tell(Failed{"east", key, "changed my mind"});
  CHECK(play.refused.has_value());
  play.tell(SiteLeft{"east"});
  CHECK(std::holds_alternative<Unmasking>(play.state.phase));
  CHECK(play.state.last_effect == effects);
  play.join("east");
  CHECK(std::holds_alternative<Unmasking>(play.state.phase));
}

TEST_CASE("an attempt that nobody was asked to confirm is made anew, three times in all") {
  Play play = in_masked_round_one();
  const bool while_open = GENERATE(true, false);
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    REQUIRE(play.collecting(SumKind::kTrain, 1));
    CHECK(play.session()->key.attempt == attempt);
    const job::SessionKey key = play.session()->key;
    play.answer("east");
    if (while_open) {
      play.tell(SumSpoiled{key, "2 of 4 sites shared keys, 3 are needed"});
      CHECK(told(play, key, "west"));  // it can still be training
    } else {
      for (const char* site : {"north", "south", "west"}) play.answer(site);
      play.tell(SumSpoiled{key, "2 of 4 sites shared keys, 3 are needed"});
    }
    CHECK(told(play, key, "east"));  // it waits to confirm
    CHECK(play.actions<DropSum>().back().key == key);
  }
  REQUIRE(play.ended() != nullptr);
  CHECK(play.ended()->outcome == Outcome::kFailed);
  CHECK_THAT(play.ended()->message, Catch::Contains("2 of 4 sites shared keys, 3 are needed"));
}

TEST_CASE("a census of a masked job that comes to nothing is made anew, three times in all") {
  Play play = begun();
  for (const std::string& site : kSites) play.join(site);
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    REQUIRE(play.collecting(SumKind::kCensus, 0));
    CHECK(play.session()->key.attempt == attempt);
    play.tell(SumSpoiled{play.session()->key, "too few keys"});
  }
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::Contains("too few keys"));
}

TEST_CASE("a round that was confirmed and can't be unmasked ends the job: there is no second list of survivors") {
  Play play = in_masked_round_one();
  const job::SessionKey key = all_sent(play);
  SECTION("because too few revealed") { play.tell(UnmaskingFailed{key, "2 of 4 survivors confirmed, 3 are needed"}); }
  SECTION("because time is up") {
    CHECK(next_wakeup(play.state) == play.now + std::chrono::minutes(15));
    play.wait(std::chrono::minutes(15) - std::chrono::milliseconds(1));
    CHECK(play.ended() == nullptr);
    play.wait(std::chrono::milliseconds(1));
  }
  REQUIRE(play.ended() != nullptr);
  CHECK(play.ended()->outcome == Outcome::kFailed);
  CHECK_THAT(play.ended()->message, Catch::Contains("train 1.1: "));
  CHECK(play.actions<OpenSession>().back().key == key);
  CHECK(play.actions<DropSum>().back().key == key);
}

TEST_CASE("an evaluation that can't be unmasked is missed; its sites are told, and the next round begins") {
  Play play = in_evaluation();
  REQUIRE(play.collecting(SumKind::kEvaluate, 1));
  const job::SessionKey key = all_sent(play);
  SECTION("because too few revealed") { play.tell(UnmaskingFailed{key, "too few shares were revealed"}); }
  SECTION("because time is up") { play.wait(std::chrono::minutes(15)); }
  SECTION("because its group was incomplete, before anybody was asked") {
    play.tell(SumSpoiled{key, "west is missing"});
  }
  CHECK(play.collecting(SumKind::kTrain, 2));
  CHECK(play.actions<DropSum>().back().key == key);
  // Otherwise they would refuse the next round, because for them this one is confirmed and still open.
  for (const std::string& site : kSites) CHECK(told(play, key, site));
}

TEST_CASE("a masked round that misses its quorum tells those who have sent their vectors") {
  Play play = in_masked_round_one();
  const job::SessionKey key = play.session()->key;
  play.answer("east");
  play.answer("north");
  play.fail_site("south", "failed: internal");
  play.fail_site("west", "failed: internal");
  REQUIRE(play.collecting(SumKind::kTrain, 1));
  CHECK(play.session()->key.attempt == 2);
  CHECK(told(play, key, "east"));
  CHECK(told(play, key, "north"));
  CHECK_FALSE(told(play, key, "west"));
}

TEST_CASE("a job can be stopped while masks are taken off") {
  Play play = in_masked_round_one();
  const job::SessionKey key = all_sent(play);
  play.tell(Stop{"stopped by ada"});
  REQUIRE(play.ended() != nullptr);
  CHECK(play.actions<DropSum>().back().key == key);
  CHECK(play.actions<EndJob>().back().sites == kSites);
}
