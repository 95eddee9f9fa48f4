#include "common/roster/roster_file.h"

#include <fstream>
#include <functional>
#include <set>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::roster {
namespace {

using pki::TemporaryFolder;

std::string key_of(const std::string& name) { return crypto::to_hex(crypto::sha256(name)); }
const std::string kNorth = key_of("north");
const std::string kSouth = key_of("south");
const std::string kMembers = "consortium: \"lung\"\nsites:\n  - name: \"north\"\n    fingerprint: \"" + kNorth +
                             "\"\n  - name: \"south\"\n    fingerprint: \"" + kSouth + "\"\n";

Roster whole() {
  Roster roster;
  roster.consortium = "lung";
  roster.serial = 3;
  roster.colluding = 1;
  for (const char* site : {"east", "north", "south", "west"}) roster.sites[site] = crypto::sha256(std::string(site));
  roster.researchers["ada"] = crypto::sha256("ada");
  const Group all{"east", "north", "south", "west"};
  const Group three{"east", "north", "south"};
  roster.populations = {{"chest", {"chest", "chest-ap"}, Mode::kMasked, 500, {all}, {three, all}},
                        {"skin", {"skin"}, Mode::kPlain, 20, {}, {}}};
  roster.consents = {{ConsentKind::kMayLeave, "west", "chest", 2, 1, "MIIB+/8=", {std::byte{0x30}, std::byte{0xAF}}}};
  return roster;
}

/// Returns `text` with the first `from` replaced.
std::string with(std::string text, const std::string& from, const std::string& to) {
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

std::string roster_refusal(const std::string& text) {
  const auto roster = parse_roster(text, "roster.yaml");
  INFO(text.substr(0, 600));
  REQUIRE_FALSE(roster);
  return roster.error().message;
}

/// Returns the roster_refusal of whole() with one change.
std::string roster_refusal(const std::function<void(Roster&)>& change) {
  Roster roster = whole();
  change(roster);
  return roster_refusal(roster_text(roster));
}

TEST_CASE("a roster that was written reads back the same, as YAML and as JSON") {
  const Roster roster = whole();
  const auto read = parse_roster(roster_text(roster), "roster.yaml");
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  CHECK(*read == roster);
  CHECK(parse_roster(roster_json(roster).value(), "roster.json") == roster);
  Roster empty;
  empty.consortium = "lung";
  CHECK(parse_roster(roster_text(empty), "roster.yaml") == empty);
  empty.colluding = 2;  // never lowered, so it must be kept even before there is a population
  CHECK(parse_roster(roster_text(empty), "roster.yaml") == empty);
}

TEST_CASE("a roster of sites alone is a roster without populations") {
  const auto roster = parse_roster(kMembers, "roster.yaml");
  REQUIRE(roster);
  CHECK(roster->serial == 0);
  CHECK(roster->populations.empty());
  CHECK(roster->sites ==
        std::map<std::string, crypto::Digest>{{"north", crypto::sha256("north")}, {"south", crypto::sha256("south")}});
}

TEST_CASE("a data set is found in its population, and no other is") {
  const Roster roster = whole();
  CHECK(population_of(roster, "chest-ap")->name == "chest");
  CHECK(population_of(roster, "skin")->mode == Mode::kPlain);
  CHECK(population_of(roster, "ches") == nullptr);
  CHECK(population_named(roster, "skin")->name == "skin");
  CHECK(population_named(roster, "chest-ap") == nullptr);
}

TEST_CASE("a history's digest is the documented hash, and changes with each name, order and boundary") {
  // The printf of the documented record, hashed by sha256sum.
  CHECK(crypto::to_hex(history_digest(std::vector<Group>{{"a", "b", "c"}})) ==
        "7d080030f7bd24fd962a7585affa3644bf5f097d072ed80b5d08b3655cca305e");
  const std::vector<std::vector<Group>> different{{},
                                                  {{"a", "b", "c"}},
                                                  {{"a", "bc"}},
                                                  {{"ab", "c"}},
                                                  {{"a"}, {"b", "c"}},
                                                  {{"a", "b"}, {"c"}},
                                                  {{"b", "c"}, {"a"}}};
  std::set<crypto::Digest> seen;
  for (const auto& history : different) CHECK(seen.insert(history_digest(history)).second);
  CHECK(history_digest(whole().populations[0]) == history_digest(whole().populations[0].history));
}

TEST_CASE("a roster's file is named in its errors") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "roster.yaml";
  std::ofstream(file) << kMembers;
  CHECK(read_roster(file) == *parse_roster(kMembers, "x"));
  std::ofstream(file) << with(kMembers, "lung", "Lung");
  CHECK(read_roster(file).error().message.starts_with("roster.yaml: consortium: expected a name"));
  CHECK(read_roster(folder.path() / "none.yaml").error().code == ErrorCode::kNotFound);
}

TEST_CASE("a roster with a wrong member is refused whole, and the error names the key") {
  CHECK(roster_refusal(with(kMembers, "south", "north")) ==
        "roster.yaml: sites[1].name: 'north' is listed twice (line 5)");
  CHECK(roster_refusal(with(kMembers, kSouth, kNorth)) ==
        "roster.yaml: sites[1].fingerprint: 'north' has the same key (line 6)");
  CHECK(roster_refusal(with(kMembers, "fingerprint", "fingerprnt"))
            .starts_with("roster.yaml: sites[0].fingerprnt: unknown key"));
  CHECK(roster_refusal(kMembers + "researchers: [{name: ada, fingerprint: " + kNorth + "}]\n") ==
        "roster.yaml: researchers[0].fingerprint: 'north' has the same key (line 7)");
  for (const std::string& wrong : {std::string(63, 'a'), std::string(65, 'a'), std::string(63, 'a') + "g",
                                   std::string("0x") + std::string(62, 'a'), std::string()})
    CHECK(roster_refusal(with(kMembers, kNorth, wrong)).starts_with("roster.yaml: sites[0].fingerprint: "));
  for (const char* wrong : {"North", "no_rth", "-north", "../north", "north south", ""})
    CHECK(roster_refusal(with(kMembers, "north", wrong)).starts_with("roster.yaml: sites[0].name: "));
  for (const char* wrong : {"sites: north", "sites: {north: x}", "sites: [north]", "sites: [[]]", "sites: [null]"})
    CHECK(roster_refusal(std::string("consortium: lung\n") + wrong + "\n").starts_with("roster.yaml: sites"));
  CHECK(roster_refusal("consortium: lung\n") == "roster.yaml: sites: this key is missing (line 1)");
  CHECK(roster_refusal("sites: []\n") == "roster.yaml: consortium: this key is missing (line 1)");
}

TEST_CASE("a population that breaks a rule is refused, and the error names the key and the rule") {
  using Catch::Contains;
  CHECK_THAT(roster_refusal([](Roster& r) { r.serial = 0; }), Contains("populations: ") && Contains("`serial`"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.colluding = 0; }), Contains("colluding: expected an integer from 1"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.colluding = 2; }),
             Contains("populations.chest.groups[0]: expected at least 5 sites (2c + 1 with colluding: 2), found 4"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[0].examples = 0; }),
             Contains("populations.chest.examples: "));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[1].datasets = {"chest"}; }),
             Contains("populations.skin.datasets: data set 'chest' is already in population 'chest'"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[1].datasets.clear(); }),
             Contains("populations.skin.datasets: "));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[0].name = "Chest"; }), Contains("populations.Chest: "));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[1].name = "chest"; }), Contains("chest"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.sites.erase("west"); }),
             Contains("populations.chest.groups: 'west' isn't one of the sites"));
  CHECK_THAT(roster_refusal([](Roster& r) {
               r.populations[0].groups.push_back({"east", "north", "south"});
             }),
             Contains("populations.chest.groups: site 'east' is in two groups"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[0].history.pop_back(); }),
             Contains("populations.chest.history: group 1 of `groups` is missing"));
  CHECK_THAT(roster_refusal([](Roster& r) {
               r.populations[0].history.push_back({"east", "north", "south"});
             }),
             Contains("populations.chest.history: group 3 is listed twice"));
  CHECK_THAT(roster_refusal([](Roster& r) {
               r.populations[0].history.push_back({"east", "north"});
             }),
             Contains("populations.chest.history[2]: expected at least 3 sites"));
  CHECK_THAT(roster_refusal([](Roster& r) {
               r.populations[0].history.push_back({"b", "c", "a"});
             }),
             Contains("populations.chest.history[2]: expected names in alphabetical order, found 'a' after 'c'"));
  CHECK_THAT(roster_refusal([](Roster& r) { r.populations[0].history.push_back({"a", "a", "b"}); }), Contains("'a'"));
  CHECK_THAT(roster_refusal(with(roster_text(whole()), "mode: masked", "mode: open")),
             Contains("populations.chest.mode: expected one of masked, masked-threshold, plain"));
  CHECK_THAT(roster_refusal(with(roster_text(whole()), "    mode: masked\n", "    mdoe: masked\n")),
             Contains("populations.chest.mdoe: unknown key; did you mean 'mode'?"));
  CHECK_THAT(roster_refusal(with(roster_text(whole()), "    examples: 500\n", "")),
             Contains("populations.chest.examples: this key is missing"));
}

TEST_CASE("a signature that isn't one is refused before anybody verifies it") {
  using Catch::Contains;
  const std::string text = roster_text(whole());
  CHECK_THAT(roster_refusal(with(text, "30af", "30AF")), Contains("consents[0].signature: "));
  CHECK_THAT(roster_refusal(with(text, "30af", "30a")), Contains("consents[0].signature: "));
  CHECK_THAT(roster_refusal(with(text, "30af", std::string(300, '0'))), Contains("consents[0].signature: "));
  CHECK_THAT(roster_refusal(with(text, "MIIB+/8=", "MIIB-8=")), Contains("consents[0].certificate: "));
  CHECK_THAT(roster_refusal(with(text, "may-leave", "leave")), Contains("consents[0].kind: "));
}

TEST_CASE("a hostile roster costs no more than its bound") {
  std::string many = "consortium: lung\nsites:\n";
  for (int i = 0; i < 10'001; ++i) many += "  - {}\n";
  CHECK(roster_refusal(many) == "roster.yaml: sites: expected at most 10000 items, found 10001 (line 3)");
  std::string groups =
      "consortium: lung\nserial: 1\nsites: []\npopulations: {a: {datasets: [a], mode: masked, examples: 1, groups: [], "
      "history: [";
  for (int i = 0; i < 10'001; ++i) groups += "[],";
  CHECK_THAT(roster_refusal(groups + "]}}\n"), Catch::Contains("expected at most 10000 items"));
  std::string populations = "consortium: lung\nserial: 1\nsites: []\npopulations: {";
  for (int i = 0; i < 1'001; ++i) populations += "p" + std::to_string(i) + ": {},";
  CHECK(roster_refusal(populations + "}\n").find("expected at most 1000 keys") != std::string::npos);
  roster_refusal(kMembers + std::string(kMaxRosterBytes, '#'));
  roster_refusal("consortium: lung\nsites: " + std::string(5000, '['));
  roster_refusal(with(kMembers, "sites:", "sites: &a") + "more: *a\n");
  const std::string text = roster_text(whole());
  for (std::size_t length = 0; length + 1 < text.size(); ++length) {
    const auto cut = parse_roster(text.substr(0, length), "roster.yaml");
    if (cut) CHECK(*cut != whole());
  }
}

}  // namespace
}  // namespace consilium::roster
