#include <filesystem>
#include <functional>

#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

// All sites receive the same instructions. If the coordinator gives a site different ones, the site signs another
// attempt.
namespace consilium::rogue {
namespace {

using Change = std::function<void(job::JobSpec&)>;

TEST_CASE("a site that is told another job than the others is in an attempt of its own") {
  const auto [what, change] = GENERATE(table<std::string, Change>({
      {"clip", [](job::JobSpec& job) { job.privacy.clip = 1024; }},
      {"epochs", [](job::JobSpec& job) { job.training.local_epochs = 3; }},
      {"seed", [](job::JobSpec& job) { job.seed = 8; }},
      {"name", [](job::JobSpec& job) { job.name = "other"; }},
      {"rounds", [](job::JobSpec& job) { job.federation.rounds = 6; }},
      {"learning rate", [](job::JobSpec& job) { job.training.optimizer.learning_rate = 1e-7; }},
  }));
  INFO(what);
  Stage stage;
  const Session session{{"rogue-1", job::SumKind::kTrain, 1, 1}, stage.job(), stage.model(1), 160, stage.sites()};
  job::JobSpec told = stage.job();
  change(told);
  REQUIRE(stage.offer("rogue-1", told));
  Attempt attempt(stage, session);
  REQUIRE(attempt.offer(order_of(told, session)));
  attempt.tell(attempt.adverts());
  attempt.check_refused("advert of east");
  check_discreet(stage, 0);
}

TEST_CASE("a site that is told another model or another N than the others is in an attempt of its own") {
  Stage stage;
  const Session session = train_session(stage);
  Attempt attempt(stage, session);
  job::RoundOrder told = attempt.order();
  SECTION("model") { told.model = stage.model(2); }
  SECTION("N") { told.normaliser = 161; }
  REQUIRE(attempt.offer(told));
  attempt.tell(attempt.adverts());
  attempt.check_refused("advert of east");
  check_discreet(stage, 0);
}

TEST_CASE("an order that the accepted job doesn't give is refused before anything is said") {
  Stage stage;
  Attempt attempt(stage, train_session(stage));
  job::RoundOrder told = attempt.order();
  SECTION("epochs") { told.local_epochs = 50; }
  SECTION("seed") { told.seed = 8; }
  SECTION("job") { told.job[0] ^= 1; }
  SECTION("round") { told.round = 2; }
  SECTION("attempt") { told.attempt = 2; }
  SECTION("learning rate") { told.optimizer.learning_rate = 1.0; }
  CHECK_FALSE(attempt.offer(told));
  attempt.check_refused("the round order doesn't match the accepted job");
  check_discreet(stage, 0);
}

TEST_CASE("models that never arrive, attempt after attempt, don't fill the client's disk") {
  Stage stage;
  Session session = train_session(stage);
  for (std::uint32_t attempt = 1; attempt <= 8; ++attempt) {
    session.key.attempt = attempt;
    session.model = crypto::sha256("model " + std::to_string(attempt));
    Attempt one(stage, session);
    REQUIRE(one.offer(one.order()));
    REQUIRE(stage.refusal(one.key()).has_value());
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(stage.folder()))
    files += entry.path().parent_path().filename() == "models" ? 1 : 0;
  CHECK(files > 0);
  CHECK(files <= 3);
}

TEST_CASE("an N that is smaller than the site's own examples doesn't tell the coordinator so") {
  Stage stage;
  Session session = train_session(stage);
  session.normaliser = kExamples - 1;
  Attempt attempt(stage, session);
  attempt.offer();
  attempt.share();
  attempt.hand_out();  // as with any other N
  attempt.confirm();
  attempt.unmask();
  check_discreet(stage, 1);
}

TEST_CASE("keys that were signed for an evaluation are refused in training") {
  Stage stage;
  Session session = train_session(stage);
  Attempt attempt(stage, session);
  attempt.offer();
  Session other = session;
  other.key.kind = job::SumKind::kEvaluate;
  other.normaliser = 0;
  Attempt evaluation(stage, other);
  evaluation.rehearse();
  secagg::AdvertList list = evaluation.adverts();
  for (const secagg::Advert& advert : attempt.adverts().adverts) {
    if (advert.site == kNorth) list.adverts.insert(list.adverts.begin() + 1, advert);
  }
  attempt.tell(list);
  attempt.check_refused("advert of east");
  check_discreet(stage, 0);
}

TEST_CASE("messages of a session that was never offered are not answered") {
  Stage stage;
  const Session session = train_session(stage);
  Attempt attempt(stage, session);
  attempt.offer();
  job::SessionKey other = session.key;
  other.kind = job::SumKind::kEvaluate;
  stage.send(wire::Masking{other, encode(secagg::CoordinatorMessage(attempt.adverts()))});
  CHECK_FALSE(stage.next_answer(other, std::chrono::milliseconds(500)).has_value());
  attempt.share();  // the offered attempt continues
  check_discreet(stage, 0);
}

}  // namespace
}  // namespace consilium::rogue
