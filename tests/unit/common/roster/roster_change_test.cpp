#include "common/roster/roster_change.h"

#include <functional>

#include "common/roster/exposure.h"
#include "tests/catch.h"
#include "tests/unit/common/roster/signing_sites.h"

namespace consilium::roster {
namespace {

using Catch::Contains;

const Group kFour{"east", "north", "south", "west"};
const Group kThree{"east", "north", "south"};

const SigningSites& sites() {
  static const SigningSites all({"a", "b", "c", "d", "east", "north", "south", "west"});
  return all;
}

/// Returns a roster of one masked population with these groups as its history, the last of them in force.
Roster roster_of(std::uint64_t serial, const std::vector<Group>& history) {
  Roster roster;
  roster.consortium = "lung";
  roster.serial = serial;
  roster.sites = sites().keys({"a", "b", "c", "d", "east", "north", "south", "west"});
  roster.populations = {{"chest", {"chest"}, Mode::kMasked, 500, {history.back()}, history}};
  return roster;
}

std::string refusal(const Roster& known, const Roster& next, const LedgerGroups& ledger = {}) {
  const auto checked = check_change({.known = &known, .next = next, .ledger = ledger}, Departures::kRefuse);
  REQUIRE_FALSE(checked);
  return checked.error().message;
}

/// Returns the refusal of the roster after roster_of(3, {kFour}), with one change.
std::string refusal(const std::function<void(Roster&)>& change) {
  Roster next = roster_of(4, {kFour});
  change(next);
  return refusal(roster_of(3, {kFour}), next);
}

bool allowed(const Roster& known, const Roster& next, Departures departures = Departures::kRefuse) {
  const auto checked = check_change({.known = &known, .next = next}, departures);
  UNSCOPED_INFO((checked ? "allowed" : checked.error().message));
  return checked.has_value();
}

TEST_CASE("what is fixed for good stays, and what only grows is not lowered") {
  CHECK_THAT(refusal([](Roster& r) { r.serial = 3, r.populations[0].examples = 501; }),
             Contains("serial: expected more than 3") && Contains("found 3"));
  CHECK_THAT(refusal([](Roster& r) { r.consortium = "heart"; }), Contains("consortium: expected 'lung'"));
  CHECK_THAT(refusal([](Roster& r) { r.populations[0].examples = 499; }),
             Contains("populations.chest.examples: expected at least 500") && Contains("found 499"));
  CHECK_THAT(refusal([](Roster& r) { r.populations[0].mode = Mode::kPlain; }),
             Contains("populations.chest.mode: expected 'masked'"));
  CHECK_THAT(refusal([](Roster& r) { r.populations[0].datasets = {"lungs"}; }),
             Contains("populations.chest.datasets: data set 'chest'") && Contains("missing"));
  CHECK_THAT(refusal([](Roster& r) {
               r.populations[0].datasets = {"lungs"};
               r.populations.push_back({"heart", {"chest"}, Mode::kMasked, 500, {}, {}});
             }),
             Contains("it is in population 'heart'"));
  CHECK_THAT(refusal([](Roster& r) { r.populations.clear(); }), Contains("populations.chest: ") && Contains("missing"));
  CHECK_THAT(refusal([](Roster& r) { r.populations[0].history = {kThree}; }),
             Contains("populations.chest.history: expected {east, north, south, west} as group 1"));
  CHECK_THAT(refusal([](Roster& r) { r.populations[0].history = {{"a", "b", "c"}, kFour}; }), Contains("as group 1"));
  Roster known = roster_of(3, {kFour});
  known.colluding = 2;
  CHECK_THAT(refusal(known, roster_of(4, {kFour})), Contains("colluding: expected at least 2"));
}

TEST_CASE("the same roster passes again, and an older one doesn't") {
  const Roster known = roster_of(3, {kFour});
  CHECK(allowed(known, known));
  CHECK(allowed(known, roster_of(4, {kFour})));
  CHECK_THAT(refusal(known, roster_of(2, {kFour})), Contains("serial"));
}

TEST_CASE("rosters of sites alone may follow each other, but not one with populations") {
  Roster known;
  known.consortium = "lung";
  Roster next = known;
  next.sites = sites().keys({"east"});
  CHECK(allowed(known, next));
  CHECK_THAT(refusal(roster_of(3, {kFour}), next), Contains("serial"));
  next.serial = 4;
  CHECK_THAT(refusal(roster_of(3, {kFour}), next), Contains("populations.chest"));
}

TEST_CASE("a history that lacks a group of this site's ledger is refused") {
  const LedgerGroups ledger{{"chest", {{"north", "south", "west"}}}};
  CHECK_THAT(refusal(roster_of(3, {kFour}), roster_of(4, {kFour}), ledger),
             Contains("populations.chest.history: lacks the group {north, south, west}"));
  const Roster first = roster_of(1, {kFour});
  CHECK_FALSE(check_change({.next = first, .ledger = ledger}, Departures::kAccept));
  CHECK_FALSE(check_change({.next = first, .ledger = {{"skin", {kFour}}}}, Departures::kAccept));
  CHECK(check_change({.next = first, .ledger = {{"chest", {kFour}}}}, Departures::kRefuse));
}

TEST_CASE("a leaver is exposed, and the refusal says who could compute what") {
  const Roster known = roster_of(3, {kFour});
  const std::string message = refusal(known, roster_of(4, {kFour, kThree}));
  CHECK_THAT(message,
             Contains("west's part would be the difference of the sums over {east, north, south, west} and {east, "
                      "north, south}") &&
                 Contains("the signature of each of {west}, and {west} hasn't signed"));
  const Roster next = roster_of(4, {kFour, kThree});
  const auto exposures = find_exposures({.known = &known, .next = next});
  REQUIRE(exposures.size() == 1);
  CHECK(exposures[0].cell == Group{"west"});
  CHECK(exposures[0].missing == Group{"west"});
}

TEST_CASE("a joiner's own signature admits it, and no neighbour's does") {
  const Roster known = roster_of(3, {kThree});
  Roster next = roster_of(4, {kThree, kFour});
  CHECK_FALSE(allowed(known, next));
  for (const char* neighbour : {"east", "north", "south"}) next.consents.push_back(sites().consent(next, neighbour));
  CHECK_FALSE(allowed(known, next));
  next.consents.push_back(sites().consent(next, "west"));
  CHECK(allowed(known, next));
}

TEST_CASE("a consent counts for the very change that was signed") {
  const Roster known = roster_of(3, {kThree});
  const Roster next = roster_of(4, {kThree, kFour});
  const Consent signed_now = sites().consent(next, "west");
  const auto with = [&](const std::function<void(Roster&, Consent&)>& change) {
    Roster changed = next;
    Consent consent = signed_now;
    change(changed, consent);
    changed.consents = {consent};
    return allowed(known, changed);
  };
  CHECK(with([](Roster&, Consent&) {}));
  CHECK_FALSE(with([](Roster& r, Consent&) { r.serial = 5; }));
  CHECK_FALSE(with([](Roster& r, Consent& c) { r.serial = c.serial = 5; }));
  CHECK_FALSE(with([](Roster& r, Consent&) { r.populations[0].examples = 600; }));
  CHECK_FALSE(with([](Roster& r, Consent&) { r.populations[0].history.push_back({"a", "b", "c"}); }));
  CHECK_FALSE(with([](Roster& r, Consent& c) { r.populations[0].history.push_back({"a", "b", "c"}), ++c.history; }));
  CHECK_FALSE(with([](Roster& r, Consent&) { r.populations[0].groups.clear(); }));
  CHECK_FALSE(with([](Roster&, Consent& c) { c.kind = ConsentKind::kMayLeave; }));
  CHECK_FALSE(with([](Roster&, Consent& c) { c.signature.back() ^= std::byte{1}; }));
  CHECK_FALSE(with([](Roster&, Consent& c) { c.signature.clear(); }));
  CHECK_FALSE(with([](Roster&, Consent& c) { c.population = "skin"; }));
  CHECK_FALSE(with([](Roster&, Consent& c) { c.site = "east"; }));
  CHECK_FALSE(with([](Roster&, Consent& c) { c.certificate = "AAAA"; }));
}

TEST_CASE("a consent by another key than the roster's is none, and the known key wins over a new one") {
  SigningSites impostor({"west"});
  const Roster known = roster_of(3, {kThree});
  Roster next = roster_of(4, {kThree, kFour});
  next.consents = {impostor.consent(next, "west")};
  CHECK_FALSE(allowed(known, next));
  next.sites["west"] = impostor.key("west");
  CHECK_FALSE(allowed(known, next));
  CHECK(check_consent(next, next.consents[0], impostor.key("west")));
  CHECK(check_consent(next, next.consents[0], sites().key("west")).error().code == ErrorCode::kUnauthenticated);
}

TEST_CASE("a cell of two needs both signatures") {
  const Roster known = roster_of(3, {kThree});
  Roster next = roster_of(4, {kThree, {"a", "b", "east", "north", "south"}});
  CHECK_THAT(refusal(known, next), Contains("the sum over {a, b} alone would be the difference") &&
                                       Contains("with up to 1 of {a, b} colluding"));
  next.consents = {sites().consent(next, "a")};
  CHECK_THAT(refusal(known, next), Contains("and {b} hasn't signed"));
  next.consents.push_back(sites().consent(next, "b"));
  CHECK(allowed(known, next));
}

TEST_CASE("merging whole groups needs nobody, and neither do c + 2 sites that join at once") {
  Roster known = roster_of(3, {{"a", "b", "c"}, kFour});
  known.populations[0].groups = {{"a", "b", "c"}, kFour};
  CHECK(allowed(known, roster_of(4, {{"a", "b", "c"}, kFour, {"a", "b", "c", "east", "north", "south", "west"}})));
  CHECK(allowed(roster_of(3, {kFour}), roster_of(4, {kFour, {"a", "b", "c", "east", "north", "south", "west"}})));
  CHECK_FALSE(allowed(roster_of(3, {kFour}), roster_of(4, {kFour, {"a", "b", "east", "north", "south", "west"}})));
}

TEST_CASE("a site that signed may-leave leaves once a person accepts it, and for nothing else does that signature do") {
  const Roster joined = roster_of(3, {kFour});
  Roster next = roster_of(4, {kFour, kThree});
  next.consents = {sites().consent(joined, "west", ConsentKind::kMayLeave)};
  CHECK_FALSE(allowed(joined, next));
  CHECK_THAT(refusal(joined, next), Contains("consilium-client roster accept"));
  CHECK(allowed(joined, next, Departures::kAccept));
  CHECK(allowed(next, next));

  Roster moved = roster_of(4, {kFour, {"a", "b", "c", "d", "west"}});
  moved.consents = next.consents;
  CHECK_FALSE(allowed(joined, moved, Departures::kAccept));
  Roster other = next;
  other.consents = {sites().consent(roster_of(3, {{"a", "b", "west"}}), "west", ConsentKind::kMayLeave)};
  CHECK_FALSE(allowed(joined, other, Departures::kAccept));
}

TEST_CASE("a site that comes back into a group has to sign again") {
  Roster known = roster_of(4, {kFour, kThree});
  Roster back = roster_of(5, {kFour, kThree});
  back.populations[0].groups = {kFour};
  CHECK_FALSE(allowed(known, back));
  back.consents = {sites().consent(back, "west")};
  CHECK(allowed(known, back));
}

TEST_CASE("a raised c makes cells small that were not") {
  const Group seven{"a", "b", "c", "east", "north", "south", "west"};
  const Group five{"c", "east", "north", "south", "west"};
  Roster known = roster_of(3, {{"a", "b", "c"}, kFour, seven});
  Roster next = roster_of(4, {{"a", "b", "c"}, kFour, seven});
  next.colluding = 2;
  const auto exposures = find_exposures({.known = &known, .next = next});
  REQUIRE(exposures.size() == 1);
  CHECK(exposures[0].cell == Group{"a", "b", "c"});
}

TEST_CASE("a site's first roster must not single out this very site, without its signature") {
  Roster first = roster_of(4, {kThree, kFour});
  CHECK(check_change({.next = first, .site = "east"}, Departures::kRefuse));
  CHECK_FALSE(check_change({.next = first, .site = "west"}, Departures::kRefuse));
  first.consents = {sites().consent(first, "west")};
  CHECK(check_change({.next = first, .site = "west"}, Departures::kRefuse));
}

TEST_CASE("cells are only held to c + 2 where sums are masked over whole groups") {
  Roster known = roster_of(3, {kFour});
  Roster next = roster_of(4, {kFour, kThree});
  known.populations[0].mode = next.populations[0].mode = Mode::kMaskedThreshold;
  CHECK(allowed(known, next));
}

TEST_CASE("cells are the sites that are in the same groups") {
  const std::vector<Group> groups{{"a", "b", "c", "d"}, {"c", "d", "e"}, {"f"}};
  CHECK(cells_of(groups) == std::vector<Group>{{"a", "b"}, {"c", "d"}, {"e"}, {"f"}});
  CHECK(cells_of({}).empty());
}

TEST_CASE("an exposure is told as the sum that it is") {
  const std::vector<Group> merged{{"a", "b", "c"}, {"d", "e", "f"}, {"a", "b", "c", "d", "e", "f", "g"}};
  CHECK_THAT(exposure_text({"g"}, merged, 1),
             Contains("g's part would be the sum over {a, b, c, d, e, f, g} minus those over {a, b, c} and {d, e, f}"));
  CHECK_THAT(exposure_text({"a", "b", "c"}, merged, 2), Contains("is the sum over the group {a, b, c}"));
  const std::vector<Group> crossing{{"a", "b", "c"}, {"c", "d", "e"}};
  CHECK_THAT(exposure_text({"c"}, crossing, 1),
             Contains("c's part might be computed from several sums") && Contains("{a, b, c} and {c, d, e}"));
}

TEST_CASE("a roster of ten thousand groups that exposes everybody is refused in little time") {
  std::vector<Group> history;
  const auto name = [](std::size_t i) { return "s" + std::to_string(100'000 + i); };
  for (std::size_t i = 0; i < 10'000; ++i) history.push_back({name(i), name(i + 1), name(i + 2)});
  const Roster known = roster_of(3, {history.front()});
  const Roster next = roster_of(4, history);
  CHECK(find_exposures({.known = &known, .next = next}).size() == 10'002);
  CHECK_THAT(refusal(known, next), Contains("s100000's part"));
}

TEST_CASE("who joins, leaves or has another key is said line by line") {
  Roster known = roster_of(3, {kFour});
  Roster next = roster_of(4, {kFour});
  known.sites.erase("a");
  next.sites.erase("b");
  next.sites["c"] = crypto::sha256("new");
  next.researchers["ada"] = crypto::sha256("ada");
  const auto lines = member_changes({.known = &known, .next = next});
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "site a joins with the key " + crypto::to_hex(sites().key("a")));
  CHECK_THAT(lines[1], Contains("site c has another key: " + crypto::to_hex(crypto::sha256("new"))));
  CHECK(lines[2] == "site b leaves");
  CHECK_THAT(lines[3], Contains("researcher ada joins"));
}

}  // namespace
}  // namespace consilium::roster
