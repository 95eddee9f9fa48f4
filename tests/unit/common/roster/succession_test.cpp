#include "common/roster/succession.h"

#include <functional>

#include "common/roster/consortium_file.h"
#include "common/roster/roster_change.h"
#include "common/roster/roster_file.h"
#include "tests/catch.h"
#include "tests/unit/common/roster/signing_sites.h"

namespace consilium::roster {
namespace {

using Catch::Contains;

const Group kFounders{"east", "north", "south", "west"};

const SigningSites& old_keys() {
  static const SigningSites all({"east", "new", "north", "south", "west"});
  return all;
}
/// What hospitals have after they changed their keys, or what somebody puts in their place.
const SigningSites& new_keys() {
  static const SigningSites all({"east", "new", "north", "south", "west"});
  return all;
}

Roster roster_of(std::uint64_t serial) {
  Roster roster;
  roster.consortium = "lung";
  roster.serial = serial;
  roster.sites = old_keys().keys(kFounders);
  roster.populations = {{"chest", {"chest"}, Mode::kMasked, 500, {kFounders}, {kFounders}}};
  return roster;
}

/// Returns the roster in which north has its new key, signed by the old one.
Roster changed(std::uint64_t serial) {
  Roster roster = roster_of(serial);
  roster.sites["north"] = new_keys().key("north");
  roster.successions = {old_keys().succession("north", new_keys().key("north"), serial - 1)};
  return roster;
}

Result<void> follows(const Roster& known, const Roster& next) {
  return check_change({.known = &known, .next = next}, Departures::kAccept);
}

std::string succession_refusal(const Roster& known, const Roster& next) {
  const auto checked = follows(known, next);
  REQUIRE_FALSE(checked);
  return checked.error().message;
}

TEST_CASE("a site's key changes where the old key signed the new one, and not otherwise") {
  CHECK(follows(roster_of(3), changed(4)));
  Roster swapped = roster_of(4);
  swapped.sites["north"] = new_keys().key("north");
  CHECK_THAT(succession_refusal(roster_of(3), swapped), Contains("the old key didn't sign that") &&
                                                            Contains("consilium-client roster successor") &&
                                                            Contains(crypto::to_hex(new_keys().key("north"))));
}

TEST_CASE("a succession is one key's word for one key, site, consortium and serial") {
  const auto with = [](const std::function<void(Roster&, Succession&)>& change) {
    Roster next = changed(4);
    change(next, next.successions[0]);
    return follows(roster_of(3), next).has_value();
  };
  CHECK(with([](Roster&, Succession&) {}));
  CHECK_FALSE(with([](Roster&, Succession& s) { s.serial = 2; }));
  CHECK_FALSE(with([](Roster&, Succession& s) { s.signature.back() ^= std::byte{1}; }));
  CHECK_FALSE(with([](Roster&, Succession& s) { s.signature.clear(); }));
  CHECK_FALSE(with([](Roster&, Succession& s) { s.certificate = "AAAA"; }));
  CHECK_FALSE(with([](Roster& r, Succession& s) {  // to a key that the old one didn't sign
    r.sites["north"] = s.successor = new_keys().key("east");
  }));
  CHECK_FALSE(with([](Roster&, Succession& s) {  // by a key that isn't north's
    s.certificate = new_keys().succession("north", s.successor, 3).certificate;
    s.signature = new_keys().signer("north").sign(succession_statement("lung", s)).value();
  }));
  CHECK_FALSE(with([](Roster& r, Succession& s) {  // east's signature about itself moves north's key
    s = old_keys().succession("east", new_keys().key("north"), 3);
    s.site = "north";
    s.key = old_keys().key("north");
    r.sites["north"] = s.successor;
  }));
  const Succession of_heart = sign_succession("heart", "north", 3, new_keys().key("north"),
                                              old_keys().certificate("north"), old_keys().signer("north"))
                                  .value();
  CHECK_FALSE(with([&](Roster&, Succession& s) { s = of_heart; }));
}

TEST_CASE("successions are followed over rosters that a site has missed") {
  Roster third = changed(4);
  third.serial = 6;
  third.sites["north"] = new_keys().key("new");
  third.successions.push_back(new_keys().succession("north", new_keys().key("new"), 5));
  CHECK(follows(changed(4), third));
  CHECK(follows(roster_of(3), third));
  Roster gap = third;
  gap.successions.erase(gap.successions.begin());
  CHECK_THAT(succession_refusal(roster_of(3), gap), Contains("expected a succession of the key"));
}

TEST_CASE("a succession is used once: an old key doesn't come back by an old signature") {
  Roster back = changed(4);
  back.serial = 5;
  back.sites["north"] = old_keys().key("north");
  back.successions.push_back(new_keys().succession("north", old_keys().key("north"), 4));
  REQUIRE(follows(changed(4), back));
  Roster replayed = back;
  replayed.serial = 6;
  replayed.sites["north"] = new_keys().key("north");
  replayed.successions.push_back(changed(4).successions[0]);
  CHECK_FALSE(parse_roster(roster_text(replayed), "replayed").has_value());
  Roster shortened = changed(4);  // the list without its latest entries
  shortened.serial = 6;
  CHECK_THAT(succession_refusal(back, shortened), Contains("successions: one of site 'north' in roster 5 is missing"));
}

TEST_CASE("a site doesn't come back with another key after it has left") {
  Roster left = roster_of(4);
  left.sites.erase("north");
  left.populations[0].groups.clear();
  CHECK_THAT(succession_refusal(roster_of(3), left), Contains("former: lacks site 'north'"));
  left.former = {{"north", new_keys().key("north")}};
  CHECK_THAT(succession_refusal(roster_of(3), left), Contains("the old key didn't sign that"));
  left.former = {{"north", old_keys().key("north")}};
  REQUIRE(follows(roster_of(3), left));
  Roster impostor = roster_of(5);
  impostor.sites["north"] = new_keys().key("north");
  CHECK_THAT(succession_refusal(left, impostor), Contains("the old key didn't sign that"));
  CHECK(follows(left, roster_of(5)));
  CHECK(follows(left, changed(5)));
}

TEST_CASE("the consent of a site that has left is signed with its last key") {
  Roster left = roster_of(4);
  left.sites.erase("north");
  left.populations[0].groups.clear();
  left.former = {{"north", old_keys().key("north")}};
  const Roster next = roster_of(5);
  const crypto::Digest* key = consent_key({.known = &left, .next = next}, "north");
  REQUIRE(key != nullptr);
  CHECK(*key == old_keys().key("north"));
}

TEST_CASE("a site that no history names may come with another key: nothing was ever summed with it") {
  Roster known = roster_of(3);
  known.sites["new"] = old_keys().key("new");
  Roster next = roster_of(4);
  next.sites["new"] = new_keys().key("new");
  CHECK(follows(known, next));
  const auto lines = member_changes({.known = &known, .next = next});
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0], Contains("the old key didn't sign that"));
  CHECK_THAT(member_changes({.known = &known, .next = changed(4)})[0], Contains("the old key signed that"));
}

TEST_CASE("rosters keep successions and the keys of those who have left, as text too") {
  Roster roster = changed(4);
  roster.former = {{"gone", crypto::sha256("gone")}};
  CHECK(parse_roster(roster_text(roster), "roster").value() == roster);
  CHECK(parse_roster(roster_json(roster).value(), "roster").value() == roster);
  const pki::TemporaryFolder folder;
  pki::write_text(folder / "north.yaml", successions_text(roster.successions));
  CHECK(read_successions(folder / "north.yaml").value() == roster.successions);
  roster.former["north"] = crypto::sha256("north");
  CHECK_FALSE(parse_roster(roster_text(roster), "roster").has_value());
}

TEST_CASE("a new roster carries keys and successions over, and asks for one that is missing") {
  Consortium plan;
  plan.populations = {{.name = "chest", .datasets = {"chest"}, .examples = 500}};
  Roster members = roster_of(0);
  members.populations.clear();
  const Roster first = make_roster(members, plan, nullptr)->roster;
  Roster renewed = members;
  renewed.sites["north"] = new_keys().key("north");
  CHECK_THAT(make_roster(renewed, plan, &first).error().message, Contains("consilium-client roster successor"));
  const Succession signed_now = old_keys().succession("north", new_keys().key("north"), 1);
  const Roster second = make_roster(renewed, plan, &first, {signed_now, signed_now}).value().roster;
  CHECK(second.successions == std::vector{signed_now});
  renewed.sites.erase("north");
  const Roster third = make_roster(renewed, plan, &second)->roster;
  CHECK(third.former == std::map<std::string, crypto::Digest>{{"north", new_keys().key("north")}});
  CHECK(third.successions == std::vector{signed_now});
  CHECK(follows(first, third));
}

}  // namespace
}  // namespace consilium::roster
