#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

// What north enforces against a coordinator over attempts, rounds, jobs and its own restarts.
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

/// Offers an attempt and expects that north sends only the reason why it refuses.
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
  check_offer_refused(stage, session, "attempt 2 has already begun");
  check_discreet(stage, 0);
}

/// What a coordinator can do to a site to make it forget a session.
void disturb(Stage& stage, const Session& session, const std::string& how) {
  if (how == "close") stage.send(wire::SessionClosed{session.key, "never mind"});
  if (how == "end the job") stage.send(wire::JobEnded{session.key.job_id, "finished"});
  if (how == "cut the connection") stage.cut_connection();
  if (how == "crash") stage.restart_client();
  if (how != "close") REQUIRE(stage.offer(session.key.job_id, session.job));
}

/// Plays a first round until north has signed its survivors: all.
Session play_until_confirmed(Stage& stage) {
  Session session = train_session(stage);
  Attempt attempt(stage, session);
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  attempt.confirm();
  return session;
}

TEST_CASE("nothing new begins in a job while a confirmed round is open") {
  Stage stage;
  Session session = play_until_confirmed(stage);
  SECTION("another attempt") { session.key.attempt = 2; }
  SECTION("the next round") { session.key.round = 2; }
  SECTION("an evaluation") {
    session.key.kind = job::SumKind::kEvaluate;
    session.normaliser = 0;
  }
  check_offer_refused(stage, session, "rogue-1 train 1.1 is confirmed, and its masks are still on");
  check_discreet(stage, 0);
}

TEST_CASE("a round that north has confirmed has no other attempt, whatever the coordinator does in between") {
  const std::string how = GENERATE("close", "end the job", "cut the connection", "crash");
  INFO(how);
  Stage stage;
  Session session = play_until_confirmed(stage);
  disturb(stage, session, how);
  ++session.key.attempt;
  check_offer_refused(stage, session, "this site has confirmed attempt 1, so it takes part in no other attempt");
  check_discreet(stage, 0);
}

TEST_CASE("the next round doesn't start from the same model without one site, whatever happens in between") {
  const std::string how = GENERATE("close", "end the job", "cut the connection", "crash");
  INFO(how);
  Stage stage;
  Session session = play_until_confirmed(stage);
  disturb(stage, session, how);
  session.key.round = 2;
  Attempt second(stage, session);
  second.offer();
  second.share();
  second.silence("west");
  second.hand_out();
  second.tell(second.survivors());
  second.check_refused("allow_changed_cohort");
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

TEST_CASE("an evaluation without one member of the census is refused") {
  Stage stage;
  Session session = census_session(stage);
  Attempt counted(stage, session);
  play_to_the_end(stage, counted);
  session.key = {"rogue-1", job::SumKind::kEvaluate, 0, 1};
  session.model = stage.model(1);
  session.exactly.clear();
  Attempt attempt(stage, session);
  attempt.offer();
  attempt.share();
  attempt.silence("west");
  attempt.hand_out();
  attempt.tell(attempt.survivors());
  attempt.check_refused("expected exactly the members of the group");
  check_discreet(stage, 1);
}

TEST_CASE("a second census of a job without one member is refused, also after the job is said to be over") {
  const bool ended = GENERATE(false, true);
  Stage stage;
  Session session = census_session(stage);
  Attempt counted(stage, session);
  play_to_the_end(stage, counted);
  if (ended) {
    stage.send(wire::JobEnded{"rogue-1", "finished"});
    REQUIRE(stage.offer("rogue-1", session.job));
  }
  session.key.round = 1;
  session.exactly.clear();
  Attempt again(stage, session);
  again.offer();
  again.share();
  again.silence("west");
  again.hand_out();
  again.tell(again.survivors());
  again.check_refused("the same job's census was already summed over other sites");
  check_discreet(stage, 1);
}

TEST_CASE("an evaluation before any census is refused: nobody knows whose counts are summed") {
  Stage stage;
  Session session = census_session(stage);
  session.key.kind = job::SumKind::kEvaluate;
  session.model = stage.model(1);
  check_offer_refused(stage, session, "this site took part in no census of the job");
  check_discreet(stage, 0);
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
