#include <algorithm>

#include "common/encoding/fixed_point.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

namespace consilium::rogue {
namespace {

/// Returns a sum without the sites that the test played: north's own vector.
Words without_played(const Attempt& attempt, const std::vector<std::string>& survivors) {
  Words rest = attempt.sum();
  for (const std::string& site : survivors) {
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= attempt.plain(site)[i];
  }
  return rest;
}

TEST_CASE("an honest coordinator gets the sum of all, and nothing of north alone") {
  Stage stage;
  Attempt attempt(stage, train_session(stage));
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  attempt.confirm();
  attempt.unmask();
  const Words own = without_played(attempt, {"east", "south", "west"});
  CHECK(looks_plain(own));  // so the sum is correct, and the checks of the other cases would find plain words
  CHECK(std::ranges::count(own, 0U) < 10);
  CHECK_FALSE(looks_plain(attempt.masked()));
  check_discreet(stage, 1);
}

TEST_CASE("an honest coordinator gets the sum of the survivors when a site drops out") {
  Stage stage;
  Attempt attempt(stage, train_session(stage));
  attempt.offer();
  attempt.share();
  attempt.silence("west");
  attempt.hand_out();
  attempt.confirm();
  attempt.unmask();
  CHECK(looks_plain(without_played(attempt, {"east", "south"})));
  check_discreet(stage, 1);
}

}  // namespace
}  // namespace consilium::rogue
