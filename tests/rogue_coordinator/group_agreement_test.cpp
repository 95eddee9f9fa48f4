// Mode `masked`: a try of the agreement on a job's key that was interrupted is over, and isn't started again with other
// numbers in the same try.
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

/// Starts or continues a try. Returns north's advert, or nothing if it is silent.
std::optional<std::vector<std::byte>> begin_try(Stage& stage, std::uint32_t attempt,
                                                std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  stage.send(wire::KeyAgreement{"rogue-1", attempt, {}});
  const auto said = stage.next<wire::KeyAgreement>(
      [&](const wire::KeyAgreement& step) { return step.job_id == "rogue-1" && step.attempt == attempt; }, patience);
  return said ? std::optional(said->message) : std::nullopt;
}

TEST_CASE("a try of the agreement that was given up isn't answered again, over a restart and the job's end too") {
  // With two adverts of one try, signed by north, the others would take north for a liar. And if north accepted a
  // message after refusing it, the coordinator could send it in other forms until one passes.
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  const auto first = begin_try(stage, 1);
  INFO(stage.log());
  REQUIRE(first.has_value());
  const auto given_up = [&] {
    CHECK_FALSE(begin_try(stage, 1, std::chrono::seconds(1)).has_value());
    CHECK(stage.logged("try 1 of the agreement refused: this site has given it up"));
  };
  SECTION("one under way goes on with what was said, after a restart too") {
    CHECK(begin_try(stage, 1) == first);
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", job.job()));
    CHECK(begin_try(stage, 1) == first);
  }
  SECTION("one whose message was refused") {
    stage.send(wire::KeyAgreement{"rogue-1", 1, {std::byte{1}}});
    CHECK(stage.logged("left the agreement on a key"));
    given_up();
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", job.job()));
    given_up();
  }
  SECTION("one of a job that was said to be over") {
    stage.send(wire::JobEnded{"rogue-1", "stopped"});
    REQUIRE(stage.offer("rogue-1", job.job()));
    given_up();
  }
  const auto second = begin_try(stage, 2);
  REQUIRE(second.has_value());
  CHECK(second != first);
}

}  // namespace
}  // namespace consilium::rogue
