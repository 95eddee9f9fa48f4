#include <catch2/catch.hpp>

#include "tests/rogue_coordinator/sessions.h"

// What north holds a coordinator to over attempts, rounds, jobs and its own restarts.
namespace consilium::rogue {
namespace {

void play_to_the_end(Stage& stage, Attempt& attempt) {
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  attempt.confirm();
  attempt.unmask();
  stage.send(wire::SessionClosed{attempt.key(), "done"});
}

/// Offers an attempt and expects that north says nothing but why not.
void check_offer_refused(Stage& stage, const Session& session, const std::string& why) {
  Attempt attempt(stage, session);
  CHECK_FALSE(attempt.offer(attempt.order()));
  attempt.check_refused(why);
}

TEST_CASE("an attempt that isn't higher than the last one is refused") {
  Stage stage;
  Session session = train_session(stage);
  session.key.attempt = 2;
  Attempt attempt(stage, session);
  attempt.offer();
  SECTION("at once") {}
  SECTION("after a restart of the client too") {
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", session.job));
  }
  session.key.attempt = 1;
  check_offer_refused(stage, session, "attempt 2 was begun");
  check_discreet(stage, 0);
}

TEST_CASE("a round that north has confirmed has no other attempt") {
  Stage stage;
  Session session = train_session(stage);
  Attempt attempt(stage, session);
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  attempt.confirm();
  SECTION("at once") { stage.send(wire::SessionClosed{session.key, "another attempt"}); }
  SECTION("after a restart of the client too") {
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", session.job));
  }
  ++session.key.attempt;
  check_offer_refused(stage, session, "confirmed");
  check_discreet(stage, 0);
}

TEST_CASE("a new round doesn't begin while a confirmed one is open") {
  Stage stage;
  Session session = train_session(stage);
  Attempt attempt(stage, session);
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  attempt.confirm();
  SECTION("the next round of training") { session.key.round = 2; }
  SECTION("after the coordinator gave the session up") {
    stage.send(wire::SessionClosed{session.key, "never mind"});
    session.key.round = 2;
  }
  SECTION("after a restart of the client") {
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", session.job));
    session.key.round = 2;
  }
  check_offer_refused(stage, session, "confirmed");
  check_discreet(stage, 0);
}

TEST_CASE("a second job over the same model with one site fewer is refused") {
  const bool allowed = GENERATE(false, true);
  Stage stage({.policy = allowed ? "allow_changed_cohort: true\n" : ""});
  Session session = train_session(stage);
  Attempt first(stage, session);
  play_to_the_end(stage, first);
  stage.send(wire::JobEnded{"rogue-1", "finished"});

  session.key.job_id = "rogue-2";
  session.cohort = {"east", "north", "south"};
  session.job = stage.job(session.cohort);
  REQUIRE(stage.offer("rogue-2", session.job));
  Attempt second(stage, session);
  second.offer();
  second.share();
  second.hand_out();
  if (allowed) {
    second.confirm();
    check_discreet(stage, 1);
    return;
  }
  second.tell(second.survivors());
  second.check_refused("allow_changed_cohort");
  CHECK(stage.logged("rogue-1 round 1: east, north, south, west"));
  check_discreet(stage, 1);
}

Session census_session(Stage& stage) {
  const job::JobSpec job = stage.job();
  REQUIRE(stage.offer("rogue-1", job));
  return {{"rogue-1", job::SumKind::kCensus, 0, 1}, job, {}, 0, stage.sites(), stage.sites()};
}

TEST_CASE("counts are not summed without one member") {
  Stage stage;
  const Session census = census_session(stage);
  SECTION("the census of the whole group, then an evaluation without west") {
    Attempt counted(stage, census);
    play_to_the_end(stage, counted);
    Session session = census;
    session.key = {"rogue-1", job::SumKind::kEvaluate, 0, 1};
    session.model = stage.model(1);
    session.exactly.clear();
    Attempt attempt(stage, session);
    attempt.offer();
    attempt.share();
    attempt.silence("west");
    attempt.hand_out();
    attempt.tell(attempt.survivors());
    attempt.check_refused("counts are summed over the group's members");
    check_discreet(stage, 1);
  }
}

TEST_CASE("a vector is masked once: after a crash north sends the same words, or none") {
  Stage stage;
  const Session session = train_session(stage);
  Attempt attempt(stage, session);
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  stage.restart_client();
  REQUIRE(stage.offer("rogue-1", session.job));
  stage.send(wire::SessionOffer{session.key, job::encode(attempt.order()), stage.model_bytes()});
  stage.next_answer(session.key, std::chrono::seconds(2));
  attempt.tell(attempt.boxes());
  stage.next_answer(session.key, std::chrono::seconds(2));
  const auto words = stage.upload(session.key);
  CHECK((!words || *words == attempt.masked()));
  const Sent shares = sent<secagg::Shares>(stage);
  REQUIRE(shares.size() == 1);
  CHECK(shares.begin()->second.size() == 1);
  check_discreet(stage, 0);
}

}  // namespace
}  // namespace consilium::rogue
