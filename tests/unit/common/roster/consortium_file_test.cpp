#include "common/roster/consortium_file.h"

#include "common/roster/roster_change.h"
#include "common/roster/roster_file.h"
#include "tests/catch.h"

namespace consilium::roster {
namespace {

using Catch::Contains;

Roster members_named(const std::vector<std::string>& names) {
  Roster members;
  members.consortium = "lung";
  for (const std::string& name : names) members.sites[name] = crypto::sha256(name);
  members.researchers["ada"] = crypto::sha256("ada");
  return members;
}

const Roster kListedMembers = members_named({"east", "north", "south", "west"});
const std::string kPlain = "populations: {chest: {datasets: [chest], examples: 500}}\n";

Consortium plan(const std::string& text, const Roster& members = kListedMembers) {
  const auto consortium = parse_consortium(text, "consortium.yaml", members);
  INFO((consortium ? "" : consortium.error().message));
  REQUIRE(consortium);
  return *consortium;
}

std::string file_refusal(const std::string& text) {
  const auto consortium = parse_consortium(text, "consortium.yaml", kListedMembers);
  REQUIRE_FALSE(consortium);
  return consortium.error().message;
}

MadeRoster made(const Roster& members, const std::string& text, const Roster* previous) {
  auto roster = make_roster(members, plan(text, members), previous);
  INFO((roster ? "" : roster.error().message));
  REQUIRE(roster);
  CHECK(parse_roster(roster_text(roster->roster), "roster.yaml") == roster->roster);
  return *roster;
}

TEST_CASE("a first roster has the members, one group of all, and a history of that") {
  const MadeRoster first = made(kListedMembers, kPlain, nullptr);
  CHECK(first.roster.serial == 1);
  CHECK(first.roster.colluding == 1);
  CHECK(first.roster.sites == kListedMembers.sites);
  CHECK(first.roster.researchers == kListedMembers.researchers);
  const Group all{"east", "north", "south", "west"};
  CHECK(first.roster.populations == std::vector<Population>{{"chest", {"chest"}, Mode::kMasked, 500, {all}, {all}}});
  CHECK(first.notes.empty());
}

TEST_CASE("the table's consortia get the table's groups") {
  const auto sizes = [](std::size_t n, std::uint32_t c) {
    std::vector<std::string> sites;
    for (std::size_t i = 0; i < n; ++i) sites.push_back("s" + std::to_string(100 + i));
    std::vector<std::size_t> sizes;
    for (const Group& group : default_groups(sites, c)) sizes.push_back(group.size());
    return sizes;
  };
  CHECK(sizes(7, 2) == std::vector<std::size_t>{7});
  CHECK(sizes(20, 2) == std::vector<std::size_t>{7, 7, 6});
  CHECK(sizes(60, 3) == std::vector<std::size_t>(6, 10));
  CHECK(sizes(200, 5).size() == 14);
  CHECK(sizes(2, 1).empty());
}

TEST_CASE("a consortium file that breaks a rule is refused with file and key") {
  CHECK_THAT(file_refusal("colluding: 1\n"), Contains("consortium.yaml: populations: this key is missing"));
  CHECK_THAT(file_refusal("colluding: 0\n" + kPlain), Contains("consortium.yaml: colluding: "));
  CHECK_THAT(file_refusal("populations: {chest: {datasets: [chest]}}"), Contains("populations.chest.examples: "));
  CHECK_THAT(file_refusal("populations: {chest: {datasets: [chest], examples: 0}}"),
             Contains("populations.chest.examples: "));
  CHECK_THAT(file_refusal("populations: {Chest: {datasets: [chest], examples: 1}}"), Contains("populations.Chest: "));
  CHECK_THAT(file_refusal("populations: {a: {datasets: [chest], examples: 1}, b: {datasets: [chest], examples: 1}}"),
             Contains("populations.b.datasets: data set 'chest' is already in population 'a'"));
  const auto grouped = [](const std::string& groups) {
    return file_refusal("populations: {chest: {datasets: [chest], examples: 1, groups: " + groups + "}}");
  };
  CHECK_THAT(grouped("[[east, north]]"), Contains("populations.chest.groups[0]: expected at least 3 sites"));
  CHECK_THAT(grouped("[[east, north, wets]]"), Contains("populations.chest.groups: 'wets' isn't one of the sites"));
  CHECK_THAT(grouped("[[east, north, south], [east, north, west]]"), Contains("site 'east' is in two groups"));
  CHECK_THAT(grouped("[[north, east, south]]"),
             Contains("expected names in alphabetical order, found 'east' after 'north'; write [east, north, south]"));
}

TEST_CASE("the next roster continues serial and history, and nothing fixed may change") {
  const Roster first = made(kListedMembers, kPlain, nullptr).roster;
  const std::string three =
      "populations: {chest: {datasets: [chest, chest-ap], examples: 600, groups: [[east, north, south]]}}\n";
  const MadeRoster second = made(kListedMembers, three, &first);
  CHECK(second.roster.serial == 2);
  CHECK(second.roster.populations[0].history ==
        std::vector<Group>{{"east", "north", "south", "west"}, {"east", "north", "south"}});
  REQUIRE(second.notes.size() == 1);
  CHECK_THAT(second.notes[0], Contains("Population chest: west is in no group"));

  const auto forbidden = [&](const std::string& text) {
    const auto next = make_roster(kListedMembers, plan(text), &second.roster);
    REQUIRE_FALSE(next);
    return next.error().message;
  };
  CHECK_THAT(forbidden(kPlain), Contains("populations.chest.examples: expected at least 600"));
  CHECK_THAT(forbidden("populations: {chest: {datasets: [chest], examples: 600}}"),
             Contains("populations.chest.datasets: data set 'chest-ap'"));
  CHECK_THAT(forbidden("populations: {chest: {datasets: [chest, chest-ap], examples: 600, mode: plain}}"),
             Contains("populations.chest.mode"));
  CHECK_THAT(forbidden("populations: {}"), Contains("populations.chest"));
}

TEST_CASE("without stated groups the old ones stay, and new sites form groups only where that needs nobody") {
  const Roster first = made(kListedMembers, kPlain, nullptr).roster;
  const Roster more = members_named({"a", "b", "east", "north", "south", "west"});
  const MadeRoster two = made(more, kPlain, &first);
  CHECK(two.roster.populations[0].groups == first.populations[0].groups);
  REQUIRE(two.notes.size() == 1);
  CHECK_THAT(two.notes[0],
             Contains("{a, b} are in no group") && Contains("at least 3 sites (2c + 1, with colluding: 1)"));
  const Roster many = members_named({"a", "b", "c", "east", "north", "south", "west"});
  const MadeRoster three = made(many, kPlain, &first);
  CHECK(three.roster.populations[0].groups == std::vector<Group>{{"east", "north", "south", "west"}, {"a", "b", "c"}});
  for (const MadeRoster* next : {&two, &three})
    CHECK(check_change({.known = &first, .next = next->roster}, Departures::kRefuse));
}

TEST_CASE("a group closes when one of its sites is no member any more, and its others don't regroup by themselves") {
  const Roster first = made(kListedMembers, kPlain, nullptr).roster;
  const MadeRoster next = made(members_named({"east", "north", "south"}), kPlain, &first);
  CHECK(next.roster.populations[0].groups.empty());
  CHECK(next.roster.populations[0].history == first.populations[0].history);
  REQUIRE(next.notes.size() == 2);
  CHECK_THAT(next.notes[0],
             Contains("the group {east, north, south, west} closes, because west is no longer a member"));
  CHECK(check_change({.known = &first, .next = next.roster}, Departures::kRefuse));
}

TEST_CASE("a signature to leave is kept while its site is in a group; one to a change is not") {
  Roster first = made(kListedMembers, kPlain, nullptr).roster;
  const Consent leave{ConsentKind::kMayLeave, "west", "chest", 1, 1, "AAAA", {std::byte{1}}};
  first.consents = {leave, {ConsentKind::kChange, "west", "chest", 1, 1, "AAAA", {std::byte{1}}}};
  const std::string three =
      "populations: {chest: {datasets: [chest], examples: 500, groups: [[east, north, south]]}}\n";
  const Roster second = made(kListedMembers, three, &first).roster;
  CHECK(second.consents == std::vector<Consent>{leave});
  CHECK(made(kListedMembers, three, &second).roster.consents.empty());
}

}  // namespace
}  // namespace consilium::roster
