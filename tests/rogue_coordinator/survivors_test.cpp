#include <functional>

#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

// Steps 4 and 5: which sites' vectors are summed, and which shares north reveals.
namespace consilium::rogue {
namespace {

using secagg::Rank;
using secagg::Signed;
using secagg::Survivors;
using secagg::UnmaskRequest;

/// Plays an attempt until all vectors have arrived.
struct SurvivorsCase {
  Stage stage;
  Attempt attempt;
  explicit SurvivorsCase(const StageOptions& options = {}, const std::string& dropped = "")
      : stage(options), attempt(stage, train_session(stage)) {
    attempt.offer();
    attempt.share();
    if (!dropped.empty()) attempt.silence(dropped);
    attempt.hand_out();
  }
};

void check_survivors_refused(const std::string& why, const std::function<void(SurvivorsCase&, Survivors&)>& lie) {
  SurvivorsCase played;
  Survivors list = played.attempt.survivors();
  lie(played, list);
  played.attempt.tell(list);
  played.attempt.check_refused(why);
  check_discreet(played.stage, 0);
}

void check_request_refused(const std::string& why, const std::function<void(SurvivorsCase&, UnmaskRequest&)>& lie) {
  SurvivorsCase played({}, "west");
  played.attempt.confirm();
  UnmaskRequest request = played.attempt.unmask_request();
  lie(played, request);
  played.attempt.tell(request);
  played.attempt.check_refused(why);
  check_discreet(played.stage, 0);
}

/// Returns what a survivor signs if all sites have shared keys.
std::vector<std::byte> statement_over(const Attempt& attempt, const std::vector<Rank>& survivors) {
  const std::vector<Rank> all{0, 1, 2, 3};
  const auto cohort = secagg::cohort_context(secagg::attempt_context(attempt.order()), attempt.adverts());
  return secagg::confirmation_statement(cohort, all, survivors);
}

TEST_CASE("survivors below the threshold are not confirmed") {
  check_survivors_refused("survivors: 2 sites, the threshold is 3", [](SurvivorsCase& now, Survivors& list) {
    list = now.attempt.survivors({"south", "west"});
  });
}

TEST_CASE("survivors below what the site's own policy asks for are not confirmed") {
  SurvivorsCase played({.policy = "minimum_survivors: 4\n"});
  played.attempt.tell(played.attempt.survivors({"west"}));
  played.attempt.check_refused("survivors: found 3 sites; this site's policy requires 4");
  check_discreet(played.stage, 0);
}

TEST_CASE("survivors without north are not confirmed") {
  check_survivors_refused("survivors: this site isn't among them",
                          [](SurvivorsCase& now, Survivors& list) { list = now.attempt.survivors({kNorth}); });
}

TEST_CASE("a survivor that never shared its keys is noticed") {
  Stage stage;
  Attempt attempt(stage, train_session(stage));
  attempt.offer();
  attempt.silence("west");
  attempt.share();
  attempt.hand_out();
  Survivors list = attempt.survivors();
  list.ranks.push_back(attempt.rank_of("west"));
  attempt.tell(list);
  attempt.check_refused("survivors: one of them never shared keys");
  check_discreet(stage, 0);
}

TEST_CASE("survivors are not confirmed before there is a vector") {
  Stage stage({.training_ms = 3000});
  Attempt attempt(stage, train_session(stage));
  attempt.offer();
  attempt.share();
  attempt.tell(attempt.boxes());
  attempt.tell(Survivors{{0, 1, 2, 3}});
  attempt.check_refused("survivors: this site has sent no vector yet");
  check_discreet(stage, 0);
  CHECK(stage.uploads().empty());
}

TEST_CASE("one list of survivors is confirmed, and no other") {
  SurvivorsCase played;
  played.attempt.confirm();
  played.attempt.tell(played.attempt.survivors({"west"}));
  played.attempt.check_refused("unexpected survivors while survivors are confirmed");
  check_discreet(played.stage, 0);
}

TEST_CASE("no site gets both its shares asked for, with two lists and two requests") {
  SurvivorsCase played;
  played.attempt.confirm();
  played.attempt.unmask();
  // Now the coordinator treats west as a dropout. With its mask key's shares besides its seed's, it could read west's
  // vector.
  played.attempt.tell(played.attempt.survivors({"west"}));
  UnmaskRequest request = played.attempt.unmask_request();
  std::erase_if(request.confirmations, [&](const Signed& by) { return by.site == played.attempt.rank_of("west"); });
  played.attempt.tell(request);
  CHECK_FALSE(played.stage.next_answer(played.attempt.key(), std::chrono::seconds(1)).has_value());
  check_discreet(played.stage, 1);
}

TEST_CASE("a second, different request to unmask has no second answer") {
  SurvivorsCase played;
  played.attempt.confirm();
  played.attempt.unmask();
  UnmaskRequest request = played.attempt.unmask_request();
  request.confirmations.pop_back();
  played.attempt.tell(request);
  CHECK_FALSE(played.stage.next_answer(played.attempt.key(), std::chrono::seconds(1)).has_value());
  check_discreet(played.stage, 1);
}

TEST_CASE("a request to unmask that is said twice has one answer, word for word") {
  SurvivorsCase played;
  played.attempt.confirm();
  played.attempt.unmask();
  played.attempt.tell(played.attempt.unmask_request());
  played.stage.next_answer(played.attempt.key(), std::chrono::seconds(1));
  check_discreet(played.stage, 1);
}

TEST_CASE("shares are not revealed on fewer signatures than the threshold: the coordinator has no smaller t") {
  check_request_refused("2 confirmations, the threshold is 3",
                        [](SurvivorsCase&, UnmaskRequest& request) { request.confirmations.pop_back(); });
}

TEST_CASE("shares are not revealed on a forged signature") {
  SECTION("a signature of the true site over another list") {
    check_request_refused("it signed something else", [](SurvivorsCase& now, UnmaskRequest& request) {
      const auto statement = statement_over(now.attempt, {0, 1, 2, 3});
      request.confirmations[0].signature = now.stage.played("east").signer->sign(statement).value();
    });
  }
  SECTION("another site's signature") {
    check_request_refused("it signed something else", [](SurvivorsCase&, UnmaskRequest& request) {
      request.confirmations[0].signature = request.confirmations[1].signature;
    });
  }
  SECTION("a changed byte") {
    check_request_refused("it signed something else", [](SurvivorsCase&, UnmaskRequest& request) {
      request.confirmations[2].signature.back() ^= std::byte{1};
    });
  }
}

TEST_CASE("shares are not revealed on one site's signature counted twice") {
  check_request_refused("rogue-1 train 1.1", [](SurvivorsCase&, UnmaskRequest& request) {
    request.confirmations[2] = request.confirmations[1];
  });
}

TEST_CASE("shares are not revealed on the signature of a site that isn't among the survivors") {
  check_request_refused("a confirmation from a site that isn't among the survivors",
                        [](SurvivorsCase& now, UnmaskRequest& request) {
                          const auto statement = statement_over(now.attempt, now.attempt.survivors().ranks);
                          request.confirmations.push_back(
                              {now.attempt.rank_of("west"), now.stage.played("west").signer->sign(statement).value()});
                        });
}

}  // namespace
}  // namespace consilium::rogue
