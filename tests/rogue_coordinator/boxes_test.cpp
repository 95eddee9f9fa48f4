#include <functional>

#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

// Step 3: north receives the others' sealed shares, and masks its vector under the derived keys. Also steps out of
// order.
namespace consilium::rogue {
namespace {

using secagg::Box;
using secagg::Boxes;

/// Plays an attempt until all shares have arrived.
struct Case {
  Stage stage;
  Attempt attempt{stage, train_session(stage)};
  Case() {
    attempt.offer();
    attempt.share();
  }
};

void check_refused(const std::string& why, const std::function<void(Case&, Boxes&)>& lie) {
  Case played;
  Boxes boxes = played.attempt.boxes();
  lie(played, boxes);
  played.attempt.tell(boxes);
  played.attempt.check_refused(why);
  check_discreet(played.stage, 0);
  CHECK(played.stage.uploads().empty());
}

TEST_CASE("a box that was changed on its way is refused") {
  check_refused("box of east", [](Case&, Boxes& boxes) { boxes.boxes[0].sealed[20] ^= 1; });
}

TEST_CASE("a box that was sealed for another site is refused") {
  check_refused("box of east", [](Case& now, Boxes& boxes) {
    boxes.boxes[0].sealed = now.attempt.boxes("south").boxes[0].sealed;  // east's for south
  });
}

TEST_CASE("boxes whose senders were swapped are refused") {
  check_refused("box of east", [](Case&, Boxes& boxes) { std::swap(boxes.boxes[0].sealed, boxes.boxes[1].sealed); });
}

TEST_CASE("boxes of fewer sites than the threshold are refused") {
  check_refused("2 sites shared keys, the threshold is 3", [](Case&, Boxes& boxes) { boxes.boxes.resize(1); });
}

TEST_CASE("one site's box given twice is refused") {
  check_refused("masking message: rank", [](Case&, Boxes& boxes) { boxes.boxes[1] = boxes.boxes[0]; });
}

TEST_CASE("a box of a site that isn't in the attempt is refused") {
  check_refused("rank 9 among 4 sites", [](Case&, Boxes& boxes) { boxes.boxes.back().from = 9; });
}

TEST_CASE("messages that were cut short or drawn out are refused") {
  Case played;
  std::vector<std::byte> bytes = encode(secagg::CoordinatorMessage(played.attempt.boxes()));
  SECTION("cut") { bytes.resize(bytes.size() / 2); }
  SECTION("with a byte more") { bytes.push_back(std::byte{0}); }
  SECTION("of an unknown kind") { bytes[0] = std::byte{0xEE}; }
  played.attempt.tell_bytes(bytes);
  played.attempt.check_refused("rogue-1 train 1.1");
  check_discreet(played.stage, 0);
  CHECK(played.stage.uploads().empty());
}

TEST_CASE("a message of nothing costs the coordinator the connection") {
  Case played;
  played.attempt.tell_bytes({});
  CHECK(played.stage.logged("lost the coordinator"));
  CHECK_FALSE(played.stage.next_answer(played.attempt.key(), std::chrono::milliseconds(200)).has_value());
  check_discreet(played.stage, 0);
}

TEST_CASE("steps out of order are refused") {
  SECTION("boxes before the adverts") {
    Stage stage;
    Attempt attempt(stage, train_session(stage));
    attempt.offer();
    attempt.tell(Boxes{{Box{0, {}}, Box{2, {}}}});
    attempt.check_refused("unexpected boxes while keys are advertised");
    check_discreet(stage, 0);
  }
  SECTION("survivors before the boxes") {
    Case played;
    played.attempt.tell(secagg::Survivors{{0, 1, 2}});
    played.attempt.check_refused("unexpected survivors while shares are sent");
    check_discreet(played.stage, 0);
  }
  SECTION("a request to unmask before the survivors") {
    Case played;
    played.attempt.hand_out();
    played.attempt.tell(secagg::UnmaskRequest{{{0, {}}, {1, {}}, {2, {}}}});
    played.attempt.check_refused("rogue-1 train 1.1");
    check_discreet(played.stage, 0);
  }
  SECTION("other adverts once the shares are out") {
    Case played;
    secagg::AdvertList list = played.attempt.adverts();
    list.adverts.pop_back();
    played.attempt.tell(list);
    played.attempt.check_refused("unexpected advert list while shares are sent");
    check_discreet(played.stage, 0);
  }
  SECTION("other boxes once the masks are agreed on") {
    Case played;
    played.attempt.tell(played.attempt.boxes());
    Boxes fewer = played.attempt.boxes();
    fewer.boxes.pop_back();
    played.attempt.tell(fewer);
    played.attempt.check_refused("unexpected boxes while masks are agreed on");
    check_discreet(played.stage, 0);
  }
}

TEST_CASE("what is said twice is answered with the same bytes, or not at all") {
  Case played;
  played.attempt.tell(played.attempt.adverts());
  played.stage.next_answer(played.attempt.key(), std::chrono::seconds(1));
  const Sent shares = sent<secagg::Shares>(played.stage);
  REQUIRE(shares.size() == 1);
  CHECK(shares.begin()->second.size() == 1);
  check_discreet(played.stage, 0);
}

}  // namespace
}  // namespace consilium::rogue
