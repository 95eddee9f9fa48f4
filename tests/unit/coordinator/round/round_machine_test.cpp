#include "coordinator/round/round_machine.h"

#include <cmath>

#include "tests/catch.h"
#include "tests/unit/coordinator/round/machine_play.h"

using namespace consilium;
using namespace consilium::round;
using job::SumKind;
using Names = std::vector<std::string>;

namespace {

Rules four_sites() {
  Rules rules;
  rules.job_id = "chest-1";
  rules.rounds = 3;
  rules.listed = {"east", "north", "south", "west"};
  rules.minimum_sites = 3;
  rules.quorum = 0.75;
  rules.deadline = std::chrono::minutes(15);
  rules.seed = 7;
  return rules;
}

/// All four sites have accepted and are counted; round 1 is open.
Play in_round_one(Rules rules = four_sites()) {
  Play play(std::move(rules));
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south", "west"}) play.tell(SiteConnected{site});
  for (const char* site : {"east", "north", "south", "west"}) play.tell(SiteAccepted{site});
  play.complete();
  REQUIRE(play.collecting(SumKind::kTrain, 1));
  return play;
}

}  // namespace

TEST_CASE("a queued job offers nothing; once begun it asks whoever is connected") {
  Play play(four_sites());
  CHECK(play.tell(SiteConnected{"east"}).empty());
  const auto effects = play.tell(Begin{});
  REQUIRE(effects.size() == 1);
  CHECK(std::get<OfferJob>(effects[0].action).site == "east");
  CHECK(play.tell(Begin{}).empty());
  CHECK(play.refused.has_value());
}

TEST_CASE("the census starts when enough sites have accepted and no connected one still owes its answer") {
  Play play(four_sites());
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south", "west"}) play.tell(SiteConnected{site});
  for (const char* site : {"east", "north", "south"}) play.tell(SiteAccepted{site});
  CHECK(play.session() == nullptr);

  SECTION("the last one accepts") {
    play.tell(SiteAccepted{"west"});
    CHECK(play.cohort() == Names{"east", "north", "south", "west"});
  }
  SECTION("the last one declines") {
    play.tell(SiteDeclined{"west", "no such data set"});
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  SECTION("the last one leaves") {
    play.tell(SiteLeft{"west"});
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  SECTION("a person at the last one has to approve the job: five seconds, then it begins without that site") {
    play.tell(SiteWaits{"west"});
    CHECK(play.session() == nullptr);
    play.wait(std::chrono::milliseconds(5000));
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  SECTION("the last one's person approves at once") {
    play.tell(SiteWaits{"west"});
    play.tell(SiteAccepted{"west"});
    CHECK(play.cohort() == Names{"east", "north", "south", "west"});
  }
  SECTION("the last one says nothing for five seconds") {
    CHECK(next_wakeup(play.state) == play.now + std::chrono::seconds(5));
    play.wait(std::chrono::milliseconds(4999));
    CHECK(play.session() == nullptr);
    play.wait(std::chrono::milliseconds(1));
    CHECK(play.cohort() == Names{"east", "north", "south"});
  }
  REQUIRE(play.session() != nullptr);
  CHECK(play.session()->key == job::SessionKey{"chest-1", SumKind::kCensus, 0, 1});
}

TEST_CASE("a site that the job doesn't list is refused and changes nothing") {
  Play play = in_round_one();
  play.tell(SiteConnected{"mallory"});
  CHECK(play.refused->code == ErrorCode::kPermissionDenied);
  play.tell(SiteAccepted{"mallory"});
  CHECK(play.refused.has_value());
  CHECK_FALSE(play.state.sites.contains("mallory"));
  play.answer("mallory");
  CHECK(play.refused.has_value());
}

TEST_CASE("the census makes the members and their sum N; a site that fails it is left out") {
  Play play(four_sites());
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south", "west"}) play.join(site);
  // The first site to accept isn't enough. The census opened with three sites, and the fourth comes later.
  CHECK(play.cohort() == Names{"east", "north", "south"});
  play.answer("east", 10);
  play.answer("north", 20);
  play.answer("south", 30);
  play.commit();
  CHECK(play.state.normaliser == 60);
  // The newcomer gets its own census between two rounds.
  REQUIRE(play.collecting(SumKind::kCensus, 0));
  CHECK(play.session()->key.attempt == 2);
  CHECK(play.cohort() == Names{"west"});
  play.fail_site("west", "no data set 'chest'");
  REQUIRE(play.collecting(SumKind::kTrain, 1));
  CHECK(play.cohort() == Names{"east", "north", "south"});
  CHECK_FALSE(play.state.sites.at("west").member);
  CHECK(play.actions<OpenSession>().back().normaliser == 60);
}

TEST_CASE("newcomers join with the old N until the sum reaches 2 N, which starts a census of all") {
  Rules rules = four_sites();
  rules.listed.clear();
  rules.minimum_sites = 1;
  Play play(rules);
  play.tell(Begin{});
  play.join("a");
  play.complete(100);
  REQUIRE(play.collecting(SumKind::kTrain, 1));
  play.join("b");
  play.complete();
  REQUIRE(play.collecting(SumKind::kCensus, 0));
  CHECK(play.cohort() == Names{"b"});

  SECTION("below 2 N") {
    play.complete(99);
    REQUIRE(play.collecting(SumKind::kTrain, 2));
    CHECK(play.state.normaliser == 100);
    CHECK(play.state.member_examples == 199);
    CHECK(play.actions<OpenSession>().back().normaliser == 100);
  }
  SECTION("from 2 N on") {
    play.complete(100);
    REQUIRE(play.collecting(SumKind::kCensus, 0));
    CHECK(play.cohort() == Names{"a", "b"});
    play.complete(110);
    REQUIRE(play.collecting(SumKind::kTrain, 2));
    CHECK(play.state.normaliser == 220);
    CHECK(play.state.member_examples == 220);
  }
}

TEST_CASE("a member without training examples evaluates, but is never sampled") {
  Rules rules = four_sites();
  rules.evaluate_every = 1;
  Play play(rules);
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south", "west"}) play.tell(SiteConnected{site});
  for (const char* site : {"east", "north", "south", "west"}) play.tell(SiteAccepted{site});
  play.answer("east", 0);
  play.complete(10);
  CHECK(play.cohort() == Names{"north", "south", "west"});
  for (const char* site : {"north", "south", "west"}) play.answer(site);
  CHECK(play.actions<CloseSum>().back().members == 3);
  play.commit();
  REQUIRE(play.collecting(SumKind::kEvaluate, 1));
  CHECK(play.cohort() == Names{"east", "north", "south", "west"});
}

TEST_CASE("a job whose members have no training examples at all fails") {
  Play play(four_sites());
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south"}) play.join(site);
  play.complete(0);
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::Contains("no site has training examples"));
}

TEST_CASE("a round closes when all of its cohort have answered or failed") {
  Play play = in_round_one();
  play.answer("east");
  play.answer("north");
  play.fail_site("south", "training failed: out of memory");
  REQUIRE(play.session() != nullptr);
  play.answer("west");
  const auto closed = play.actions<CloseSum>().back();
  CHECK(closed.key.kind == SumKind::kTrain);
  CHECK(closed.answers.at("south").reason == "training failed: out of memory");
  CHECK(closed.members == 4);
  CHECK(closed.member_examples == 40);
  play.commit();
  CHECK(play.state.round == 1);
  // A site that failed can be drawn again.
  REQUIRE(play.collecting(SumKind::kTrain, 2));
  CHECK(play.cohort() == Names{"east", "north", "south", "west"});
}

TEST_CASE("a round closes when the quorum has answered at the deadline, and who is late is told") {
  Play play = in_round_one();
  for (const char* site : {"east", "north", "south"}) play.answer(site);
  CHECK(next_wakeup(play.state) == play.now + std::chrono::minutes(15));
  play.wait(std::chrono::minutes(15) - std::chrono::milliseconds(1));
  REQUIRE(play.session() != nullptr);
  play.wait(std::chrono::milliseconds(1));
  REQUIRE(std::holds_alternative<Closing>(play.state.phase));
  CHECK(play.actions<CancelSession>().back().sites == Names{"west"});
  CHECK(play.actions<CloseSum>().back().answers.at("west").reason == "no answer within 15m");
}

TEST_CASE("partial answers count for the quorum; a round commits with one update") {
  Play play = in_round_one();
  play.answer("east");
  play.answer("north", {}, Standing::kPartial);
  play.answer("south", {}, Standing::kPartial);
  play.fail_site("west", "gone");
  CHECK(std::holds_alternative<Closing>(play.state.phase));
}

TEST_CASE("a round of partial answers alone ends the job, which says so") {
  Play play = in_round_one();
  for (const char* site : {"east", "north", "south", "west"}) play.answer(site, {}, Standing::kPartial);
  REQUIRE(play.ended() != nullptr);
  CHECK(play.ended()->outcome == Outcome::kFailed);
  CHECK_THAT(play.ended()->message, Catch::Contains("partial") && Catch::Contains("round 1"));
}

TEST_CASE("a round that misses its quorum is tried three times, then the job fails and names what was missing") {
  Play play = in_round_one();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    REQUIRE(play.collecting(SumKind::kTrain, 1));
    CHECK(play.session()->key.attempt == attempt);
    play.answer("east");
    play.fail_site("south", "training failed: NaN loss");
    play.fail_site("west", "training failed: signal 11");
    play.wait(std::chrono::minutes(15));
  }
  REQUIRE(play.ended() != nullptr);
  CHECK(play.ended()->message ==
        "round 1: 1 of 4 sites answered, but the quorum of 0.75 needs 3: north: no answer within 15m; south: training "
        "failed: NaN "
        "loss; "
        "west: training failed: signal 11; raise federation.deadline or lower federation.quorum");
  CHECK(play.actions<DropSum>().size() == 3);
}

TEST_CASE("what to do about a missed quorum fits its cause") {
  const auto [reason, remedy] = GENERATE(table<std::string, std::string>(
      {{"training failed: resource_exhausted; the site's log says why", "free memory or disk space"},
       {"training failed: internal; the site's log says why", "the logs of these sites"}}));
  Play play = in_round_one();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    play.answer("east");
    play.answer("north");
    play.fail_site("south", reason);
    play.fail_site("west", reason);
  }
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::Contains(remedy) && !Catch::Contains("deadline"));
}

TEST_CASE("a site that disconnects has failed in its session, and its late vector is refused") {
  Play play = in_round_one();
  const auto key = play.session()->key;
  play.tell(SiteLeft{"west"});
  CHECK(play.session()->answers.at("west").reason == "disconnected");
  play.join("west");
  play.tell(Answered{"west", key, Standing::kUpdate, {}});
  CHECK_THAT(play.refused->message, Catch::Contains("disconnected"));
  for (const char* site : {"east", "north", "south"}) play.answer(site);
  play.commit();
  CHECK(play.cohort() == Names{"east", "north", "south", "west"});
}

TEST_CASE("a second stream of a site replaces the first, whose work is lost") {
  Play play = in_round_one();
  const auto effects = play.tell(SiteConnected{"west"});
  REQUIRE(effects.size() == 1);
  CHECK(std::get<OfferJob>(effects[0].action).site == "west");
  CHECK(play.session()->answers.at("west").standing == Standing::kFailed);
  for (const char* site : {"east", "north", "south"}) play.answer(site);
  play.commit();
  CHECK(play.session() == nullptr);  // the machine waits for west's answer
  play.tell(SiteAccepted{"west"});
  CHECK(play.cohort().size() == 4);
}

TEST_CASE("late, repeated and foreign messages are refused with a reason and change nothing") {
  Play play = in_round_one();
  const auto key = play.session()->key;
  play.answer("east");
  const auto refused = [&](const Event& event, const std::string& why) {
    const State before = play.state;
    const auto effects = play.tell(event);
    CHECK(effects.empty());
    REQUIRE(play.refused.has_value());
    CHECK_THAT(play.refused->message, Catch::Contains(why));
    CHECK(play.state.last_effect == before.last_effect);
    CHECK(play.session()->answers == std::get<Collecting>(before.phase).answers);
    CHECK(play.session()->pending == std::get<Collecting>(before.phase).pending);
  };
  refused(Answered{"east", key, Standing::kUpdate, {}}, "has answered already");
  refused(Answered{"east", key, Standing::kPartial, {}}, "has answered already");
  refused(Failed{"east", key, "changed my mind"}, "has answered already");
  refused(Answered{"elsewhere", key, Standing::kUpdate, {}}, "isn't in the session's cohort");
  refused(Answered{"north", {"other-job", SumKind::kTrain, 1, 1}, Standing::kUpdate, {}}, "isn't open");
  refused(Answered{"north", {"chest-1", SumKind::kTrain, 2, 1}, Standing::kUpdate, {}}, "isn't open");
  refused(Answered{"north", {"chest-1", SumKind::kTrain, 1, 2}, Standing::kUpdate, {}}, "isn't open");
  refused(Answered{"north", {"chest-1", SumKind::kEvaluate, 1, 1}, Standing::kUpdate, {}}, "isn't open");
  refused(SiteAccepted{"north"}, "expects no answer");
  refused(SiteWaits{"north"}, "expects no answer");
  refused(SiteDeclined{"elsewhere", "no"}, "expects no answer");
  refused(Committed{key, 0, {}}, "hasn't reached that step, or is past it");
  refused(CommitFailed{key, "disk full"}, "hasn't reached that step, or is past it");
  refused(SumSpoiled{{"chest-1", SumKind::kTrain, 9, 1}, "x"}, "hasn't reached that step, or is past it");
  for (const char* site : {"north", "south", "west"}) play.answer(site);
  play.tell(Answered{"north", key, Standing::kUpdate, {}});
  CHECK_THAT(play.refused->message, Catch::Contains("is closed"));
}

TEST_CASE("only training can be answered in part") {
  Play play(four_sites());
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south"}) play.join(site);
  play.answer("east", {}, Standing::kPartial);
  CHECK(play.refused->code == ErrorCode::kInvalidArgument);
}

TEST_CASE("evaluation follows the rounds that it divides, and the last one") {
  Rules rules = four_sites();
  rules.evaluate_every = 2;
  Play play = in_round_one(rules);
  play.complete();
  REQUIRE(play.collecting(SumKind::kTrain, 2));
  play.complete();
  REQUIRE(play.collecting(SumKind::kEvaluate, 2));
  play.complete();
  REQUIRE(play.collecting(SumKind::kTrain, 3));
  play.complete();
  REQUIRE(play.collecting(SumKind::kEvaluate, 3));
  play.complete();
  REQUIRE(play.ended() != nullptr);
  CHECK(play.ended()->outcome == Outcome::kFinished);
  CHECK(play.actions<EndJob>().back().sites == Names{"east", "north", "south", "west"});
}

/// An evaluation whose metric is one half, plus or minus one half.
constexpr double kUnknown = -0.5;

/// Trains and evaluates round after round, with these values of the job's metric, until these run out or the job ends.
void evaluate_rounds(Play& play, const std::vector<std::optional<double>>& values, bool higher_is_better = true) {
  for (const std::optional<double>& value : values) {
    if (play.ended() != nullptr) return;
    play.metric.reset();
    if (value) play.metric = task::Metric{"auc", std::abs(*value), *value == kUnknown ? 0.5 : 0.0, higher_is_better};
    play.complete();
    play.complete();
  }
}

TEST_CASE("a job that too few will take part in waits for the others' answers, and then names everybody who declined") {
  Play play(four_sites());
  play.tell(Begin{});
  for (const char* site : {"east", "north", "south", "west"}) play.tell(SiteConnected{site});
  play.tell(SiteDeclined{"east", "max_rounds"});
  play.tell(SiteDeclined{"north", "datasets"});
  REQUIRE(play.ended() == nullptr);  // it can't succeed any more: only two of the three required sites are left
  SECTION("all answer") {
    play.tell(SiteAccepted{"south"});
    REQUIRE(play.ended() == nullptr);
    play.tell(SiteDeclined{"west", "roster"});
  }
  SECTION("one says nothing") {
    play.tell(SiteDeclined{"west", "roster"});
    REQUIRE(next_wakeup(play.state));
    play.wait(*next_wakeup(play.state) - play.now);
  }
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::Contains("east: declined: max_rounds") &&
                                        Catch::Contains("north: declined: datasets") &&
                                        Catch::Contains("west: declined: roster"));
}

TEST_CASE("a job whose metric hasn't improved for its patience ends, and says which round was best") {
  Rules rules = four_sites();
  rules.rounds = 20;
  rules.evaluate_every = 1;
  rules.metric = "auc";
  rules.patience = 3;
  Play play = in_round_one(rules);
  SECTION("more is better") {
    // An equal value is no better. An evaluation decides nothing if it lacks the metric, if the metric isn't a number,
    // or if it has examples of only one class.
    evaluate_rounds(play, {kUnknown, 0.25, 0.75, 0.75, {}, std::nan(""), kUnknown, 0.5, 0.625, 0.9});
    REQUIRE(play.ended() != nullptr);
    CHECK(play.state.round == 9);
    CHECK(play.ended()->message ==
          "stopped early after round 9: no better auc in 3 evaluations; the best round by auc was round 3, with 0.75");
  }
  SECTION("less is better") {
    evaluate_rounds(play, {0.5, 0.25, 0.3, 0.25, 0.125, 0.5, 0.6, 0.7, 0.1}, false);
    REQUIRE(play.ended() != nullptr);
    CHECK(play.state.best->round == 5);
    CHECK(play.state.round == 8);
  }
  CHECK(play.ended()->outcome == Outcome::kFinished);
  CHECK(play.actions<EndJob>().back().sites == Names{"east", "north", "south", "west"});
  CHECK(play.actions<KeepBest>().empty());
}

TEST_CASE("without patience a job runs its rounds, and keeps the best one's model where it is to") {
  Rules rules = four_sites();
  rules.rounds = 4;
  rules.evaluate_every = 1;
  rules.metric = "auc";
  rules.keep_best = GENERATE(false, true);
  Play play = in_round_one(rules);
  evaluate_rounds(play, {0.5, 0.75, 0.25, 0.625});
  REQUIRE(play.ended() != nullptr);
  CHECK(play.state.round == 4);
  CHECK_THAT(play.ended()->message,
             Catch::StartsWith("finished 4 rounds; the best round by auc was round 2, with 0.75"));
  CHECK((play.ended()->message.find("kept") != std::string::npos) == rules.keep_best);
  std::vector<std::uint32_t> kept;
  for (const KeepBest& action : play.actions<KeepBest>()) {
    kept.push_back(action.round);
    CHECK(action.model == crypto::sha256("chest-1 train " + std::to_string(action.round) + ".1"));
  }
  CHECK(kept == (rules.keep_best ? std::vector<std::uint32_t>{1, 2} : std::vector<std::uint32_t>{}));
}

TEST_CASE("a job whose last round uses up its patience has simply finished") {
  Rules rules = four_sites();
  rules.evaluate_every = 1;
  rules.metric = "auc";
  rules.patience = 2;
  Play play = in_round_one(rules);
  evaluate_rounds(play, {0.5, 0.25, 0.25});
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::StartsWith("finished 3 rounds"));
}

TEST_CASE("an evaluation that nobody answers fails no job") {
  Rules rules = four_sites();
  rules.evaluate_every = 1;
  Play play = in_round_one(rules);
  play.complete();
  REQUIRE(play.collecting(SumKind::kEvaluate, 1));
  SECTION("at the deadline") { play.wait(std::chrono::minutes(15)); }
  SECTION("because all fail") {
    for (const char* site : {"east", "north", "south", "west"}) play.fail_site(site, "no validation split");
  }
  SECTION("because its sum can't be committed") {
    for (const char* site : {"east", "north", "south", "west"}) play.answer(site);
    play.tell(CommitFailed{std::get<Closing>(play.state.phase).session.key, "contradiction"});
  }
  CHECK(play.collecting(SumKind::kTrain, 2));
  CHECK(play.actions<DropSum>().back().key.kind == SumKind::kEvaluate);
}

TEST_CASE("a fraction samples that many of the members, connected ones, whoever is missing") {
  Rules rules = four_sites();
  rules.fraction = 0.5;
  rules.rounds = 50;
  rules.minimum_sites = 1;
  rules.quorum = 1.0;
  Play play = in_round_one(rules);
  std::set<std::string> sampled;
  for (int round = 1; round < 20; ++round) {
    CHECK(play.cohort().size() == 2);
    for (const auto& site : play.cohort()) sampled.insert(site);
    play.complete();
  }
  CHECK(sampled.size() == 4);
  for (const char* site : {"east", "north", "south"}) play.tell(SiteLeft{site});
  play.wait(std::chrono::minutes(15));
  CHECK(play.cohort() == Names{"west"});
}

TEST_CASE("between rounds the job waits until enough sites are back") {
  Play play = in_round_one();
  play.answer("east");
  play.answer("north");
  play.answer("south");
  play.tell(SiteLeft{"west"});
  play.tell(SiteLeft{"east"});
  play.tell(SiteLeft{"north"});
  play.commit();
  CHECK(std::holds_alternative<Recruiting>(play.state.phase));
  CHECK_THAT(waiting_for(play.state), Catch::Contains("waiting for 3 sites, 1 accepted"));
  play.join("west");
  CHECK(std::holds_alternative<Recruiting>(play.state.phase));
  play.join("north");
  CHECK(play.collecting(SumKind::kTrain, 2));
  CHECK(play.cohort() == Names{"north", "south", "west"});
}

TEST_CASE("a job whose listed sites decline fails at once when the others can't be enough, and says who and why") {
  Play play(four_sites());
  play.tell(Begin{});
  play.tell(SiteConnected{"east"});
  play.tell(SiteDeclined{"east", "data set 'chest' is not allowed"});
  CHECK(play.ended() == nullptr);
  play.tell(SiteConnected{"west"});
  play.tell(SiteDeclined{"west", "policy.yaml is missing"});
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message,
             Catch::Contains("east: declined: data set 'chest' is not allowed") &&
                 Catch::Contains("west: declined: policy.yaml is missing") &&
                 Catch::EndsWith("east: ask that hospital for its reason, or lower federation.minimum_sites"));
}

TEST_CASE("a job that sites decline for what its researcher can mend says how") {
  Play play(four_sites());
  play.tell(Begin{});
  for (const std::string site : {"east", "west"}) {
    play.tell(SiteConnected{site});
    play.tell(SiteDeclined{site, "roster"});
  }
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(
      play.ended()->message,
      Catch::Contains("get the newest one from the consortium's certificate authority and submit the job with it"));
}

TEST_CASE("a job that nobody joins ends after the recruiting limit") {
  Play play(four_sites());
  play.tell(Begin{});
  play.wait(std::chrono::hours(24) - std::chrono::seconds(1));
  CHECK(play.ended() == nullptr);
  play.wait(std::chrono::seconds(1));
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::Contains("waiting for 3 sites, 0 accepted"));
}

TEST_CASE("stop ends the job in every phase, after telling the sites; then everything is refused") {
  Play play(four_sites());
  SECTION("queued") {}
  SECTION("recruiting") { play.tell(Begin{}); }
  SECTION("census") {
    play.tell(Begin{});
    for (const char* site : {"east", "north", "south"}) play.join(site);
  }
  SECTION("training") { play = in_round_one(); }
  SECTION("closing") {
    play = in_round_one();
    for (const char* site : {"east", "north", "south", "west"}) play.answer(site);
  }
  const auto pending = play.cohort();
  const auto effects = play.tell(Stop{"stopped by alice"});
  REQUIRE(play.ended() != nullptr);
  CHECK(play.ended()->outcome == Outcome::kStopped);
  CHECK(std::holds_alternative<EndJob>(effects.back().action));
  if (!pending.empty()) CHECK(play.actions<CancelSession>().back().sites == pending);
  const auto id = play.state.last_effect;
  for (const Event& event : std::vector<Event>{Begin{}, Stop{"again"}, Tick{}, SiteConnected{"east"}, SiteLeft{"east"},
                                               SiteAccepted{"east"}}) {
    CHECK(play.tell(event).empty());
    CHECK(play.refused.has_value());
  }
  CHECK(play.state.last_effect == id);
}

TEST_CASE("a sum that can't be kept ends the job; one that is spoiled while it is open is collected anew") {
  Play play = in_round_one();
  const auto key = play.session()->key;
  SECTION("can't be kept") {
    for (const char* site : {"east", "north", "south", "west"}) play.answer(site);
    play.tell(CommitFailed{key, "no space left on device"});
    REQUIRE(play.ended() != nullptr);
    CHECK_THAT(play.ended()->message, Catch::Contains("no space left"));
  }
  SECTION("takes too long") {
    for (const char* site : {"east", "north", "south", "west"}) play.answer(site);
    play.wait(std::chrono::minutes(15));
    CHECK(play.ended() != nullptr);
  }
  SECTION("spoiled") {
    play.answer("east");
    play.tell(SumSpoiled{key, "the spool file ends early"});
    REQUIRE(play.collecting(SumKind::kTrain, 1));
    CHECK(play.session()->key.attempt == 2);
    CHECK(play.cohort().size() == 4);
    CHECK(play.actions<DropSum>().back().key == key);
  }
}

TEST_CASE("long reasons are cut between characters, and of many only the first are listed") {
  Rules rules = four_sites();
  rules.listed.clear();
  rules.minimum_sites = 12;
  Play play(rules);
  play.tell(Begin{});
  std::string reason = "x";
  for (int i = 0; i < 5000; ++i) reason += "\u00e4";
  for (int i = 0; i < 20; ++i) {
    play.tell(SiteConnected{"site-" + std::to_string(i)});
    play.tell(SiteDeclined{"site-" + std::to_string(i), reason});
  }
  const std::string& kept = play.state.sites.at("site-7").reason;
  CHECK(kept.size() <= 1000);
  CHECK(kept.size() > 990);
  CHECK(kept.substr(kept.size() - 5) == "\u00e4...");
  const std::string waiting = waiting_for(play.state);
  CHECK(waiting.size() < 3000);
  CHECK_THAT(waiting, Catch::EndsWith("; and 12 more"));
}

TEST_CASE("a job without a slot asks its sites, says that it could work, and opens no session") {
  Play play(four_sites());
  play.tell(Begin{false});
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  for (const char* site : {"east", "north", "south"}) play.tell(SiteConnected{site});
  CHECK(readiness_of(play.state) == Readiness::kAsking);
  for (const char* site : {"east", "north", "south"}) play.tell(SiteAccepted{site});
  CHECK(readiness_of(play.state) == Readiness::kAble);
  CHECK(play.session() == nullptr);
  play.tell(SlotGiven{});
  CHECK(play.collecting(SumKind::kCensus, 0));
  CHECK_FALSE(readiness_of(play.state).has_value());
  play.tell(SlotTaken{});  // not in the middle of a session
  CHECK(play.refused.has_value());
  CHECK(play.state.has_slot);
}

TEST_CASE("a job that waits for a slot doesn't fail for lack of sites, and its time begins when they leave") {
  Play play(four_sites());
  play.tell(Begin{false});
  for (const char* site : {"east", "north", "south"}) play.join(site);
  REQUIRE(readiness_of(play.state) == Readiness::kAble);
  CHECK_FALSE(next_wakeup(play.state).has_value());
  CHECK_FALSE(gives_up_at(play.state).has_value());
  play.wait(std::chrono::hours(30));
  CHECK(play.ended() == nullptr);
  play.tell(SiteLeft{"east"});
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  CHECK(gives_up_at(play.state) == play.now + std::chrono::hours(24));
  play.wait(std::chrono::hours(24));
  CHECK(play.ended() != nullptr);
}

TEST_CASE("a masked job waits for absent sites once, not again after it was given its slot") {
  Rules rules = four_sites();
  rules.masked = true;
  Play play(rules);
  play.tell(Begin{false});
  for (const char* site : {"east", "north", "south"}) play.join(site);
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  play.wait(rules.deadline);
  CHECK(readiness_of(play.state) == Readiness::kAble);
  play.wait(std::chrono::minutes(1));
  CHECK(readiness_of(play.state) == Readiness::kAble);
  play.tell(SlotGiven{});
  CHECK(play.collecting(SumKind::kCensus, 0));
}

TEST_CASE("a job that loses its slot between rounds goes on with the next round once it has one again") {
  Play play = in_round_one();
  for (const char* site : {"east", "north", "south"}) play.answer(site);
  play.tell(SiteLeft{"west"});
  play.tell(SiteLeft{"east"});
  play.tell(SiteLeft{"north"});
  play.commit();
  REQUIRE(readiness_of(play.state) == Readiness::kLacking);
  CHECK_THAT(waiting_for(play.state), Catch::Contains("west: is not connected"));
  play.tell(SlotTaken{});
  play.join("west");
  play.join("north");
  CHECK(play.session() == nullptr);
  CHECK(readiness_of(play.state) == Readiness::kAble);
  play.tell(SlotGiven{});
  CHECK(play.collecting(SumKind::kTrain, 2));
}

TEST_CASE("a site whose people take their approval back has failed the round, and is asked no more") {
  Play play = in_round_one();
  play.tell(SiteDeclined{"east", "declined"});
  CHECK(play.session()->answers.at("east").standing == Standing::kFailed);
  CHECK_THAT(play.session()->answers.at("east").reason, Catch::Contains("declined the job"));
  CHECK(play.state.sites.at("east").consent == Consent::kDeclined);
  play.tell(SiteDeclined{"east", "declined"});
  CHECK(play.refused.has_value());
  for (const char* site : {"north", "south", "west"}) play.answer(site);
  play.commit();
  for (const std::string& site : play.cohort()) CHECK(site != "east");
}

namespace {

/// Three groups of two; two groups are enough.
Rules three_groups() {
  Rules rules = four_sites();
  rules.groups = {{"a1", "a2"}, {"b1", "b2"}, {"c1", "c2"}};
  rules.masked = true;
  rules.listed = {"a1", "a2", "b1", "b2", "c1", "c2"};
  rules.quorum = 0.6;
  return rules;
}

}  // namespace

TEST_CASE(
    "a job over whole groups opens no session before it has a slot, and can use one once enough groups are there") {
  Play play(three_groups());
  play.tell(Begin{false});
  for (const char* site : {"a1", "a2", "b1"}) play.join(site);
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  CHECK_THAT(waiting_for(play.state), Catch::Contains("1 of 3 are") && Catch::Contains("b2: is not connected"));
  play.tell(SiteConnected{"b2"});
  CHECK(readiness_of(play.state) == Readiness::kAsking);
  play.wait(play.state.rules.answer_limit);
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  play.tell(SiteAccepted{"b2"});
  CHECK(readiness_of(play.state) == Readiness::kAble);
  CHECK(play.session() == nullptr);
  CHECK_FALSE(next_wakeup(play.state).has_value());
  play.tell(SlotGiven{});
  CHECK(play.collecting(SumKind::kCensus, 0));
  CHECK(play.cohort().size() == 6);
}

TEST_CASE(
    "a job over whole groups whose groups don't come without a slot fails at the limit, and not while it could work") {
  Play play(three_groups());
  play.tell(Begin{false});
  for (const char* site : {"a1", "a2", "b1", "b2"}) play.join(site);
  REQUIRE(readiness_of(play.state) == Readiness::kAble);
  play.wait(std::chrono::hours(30));
  CHECK(play.ended() == nullptr);
  play.tell(SiteLeft{"b2"});
  CHECK(gives_up_at(play.state) == play.now + play.state.rules.recruiting_limit);
  play.wait(play.state.rules.recruiting_limit);
  REQUIRE(play.ended() != nullptr);
  CHECK_THAT(play.ended()->message, Catch::Contains("not enough groups were complete"));
}

TEST_CASE("a session over whole groups that lacks sites may lose its slot, and goes on when it has one again") {
  Play play(three_groups());
  play.tell(Begin{true});
  for (const char* site : {"a1", "a2", "b1", "b2"}) play.join(site);
  REQUIRE(play.collecting(SumKind::kCensus, 0));
  for (const char* site : {"a1", "a2"}) play.answer(site);
  CHECK(readiness_of(play.state) == Readiness::kAble);
  play.tell(SiteLeft{"b2"});
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  CHECK(gives_up_at(play.state).has_value());
  play.tell(SlotTaken{});
  CHECK_FALSE(play.refused.has_value());
  CHECK_FALSE(play.state.has_slot);
  play.join("b2");
  CHECK(readiness_of(play.state) == Readiness::kAble);
  play.wait(std::chrono::hours(30));  // for a slot, which isn't the fault of the job's sites
  CHECK(play.ended() == nullptr);
  play.tell(SlotGiven{});
  CHECK(play.session()->deadline == play.now + play.state.rules.deadline);
  for (const char* site : {"b1", "b2"}) play.answer(site);
  play.wait(play.state.rules.deadline);
  CHECK(std::holds_alternative<Closing>(play.state.phase));
}

TEST_CASE("a group that has failed isn't waited for: the session goes on with a slot as soon as the others are there") {
  Play play(three_groups());
  play.tell(Begin{true});
  for (const char* site : {"b1", "b2"}) play.join(site);
  for (const char* site : {"a1", "a2"}) play.fail_site(site, "gave up");
  CHECK(readiness_of(play.state) == Readiness::kLacking);
  for (const char* site : {"c1", "c2"}) play.fail_site(site, "gave up");
  CHECK(readiness_of(play.state) == Readiness::kAble);
}
