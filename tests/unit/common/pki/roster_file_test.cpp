#include "common/pki/roster_file.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "common/pki/roster.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::pki {
namespace {

const std::string kNorth(64, 'a');
const std::string kSouth(64, 'b');
const std::string kRoster = "consortium: \"lung\"\nsites:\n  - name: \"north\"\n    fingerprint: \"" + kNorth +
                            "\"\n  - name: \"south\"\n    fingerprint: \"" + kSouth + "\"\n";

/// kRoster with the first `from` replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kRoster;
  return text.replace(text.find(from), from.size(), to);
}

std::string refusal(const std::string& text) {
  const auto roster = parse_roster(text, "roster.yaml");
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(roster);
  return roster.error().message;
}

TEST_CASE("a roster that the authority wrote reads back to its sites and keys") {
  const auto roster = parse_roster(roster_text("lung", {{"north", kNorth}, {"south", kSouth}}), "roster.yaml");
  INFO((roster ? "" : roster.error().message));
  REQUIRE(roster);
  CHECK(roster->consortium == "lung");
  CHECK(roster->keys == std::map<std::string, crypto::Digest>{{"north", crypto::digest_from_hex(kNorth).value()},
                                                              {"south", crypto::digest_from_hex(kSouth).value()}});
  CHECK(parse_roster(roster_text("lung", {}), "roster.yaml")->keys.empty());
}

TEST_CASE("a roster lists researchers beside the sites, with keys of their own") {
  const auto roster = parse_roster(roster_text("lung", {{"north", kNorth}}, {{"ada", kSouth}}), "roster.yaml");
  REQUIRE(roster);
  CHECK(roster->researchers == std::map<std::string, crypto::Digest>{{"ada", crypto::digest_from_hex(kSouth).value()}});
  CHECK(roster->keys.size() == 1);
  const auto shared = parse_roster(roster_text("lung", {{"north", kNorth}}, {{"ada", kNorth}}), "roster.yaml");
  REQUIRE_FALSE(shared);
  CHECK(shared.error().message.find("'north' has the same key") != std::string::npos);
}

TEST_CASE("the authority's JSON is the same roster") {
  CHECK(parse_roster(R"({"consortium":"lung","sites":[{"name":"north","fingerprint":")" + kNorth +
                         R"("},{"name":"south","fingerprint":")" + kSouth + "\"}]}",
                     "roster.json") == *parse_roster(kRoster, "roster.yaml"));
}

TEST_CASE("a roster's file is named in its errors") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "roster.yaml";
  std::ofstream(file) << kRoster;
  CHECK(read_roster(file) == *parse_roster(kRoster, "x"));
  std::ofstream(file) << with("lung", "Lung");
  CHECK(read_roster(file).error().message.starts_with("roster.yaml: consortium: expected a name"));
  CHECK(read_roster(folder.path() / "none.yaml").error().code == ErrorCode::kNotFound);
}

TEST_CASE("a roster with a wrong entry is refused whole, and the error names the key") {
  CHECK(refusal(with("south", "north")) == "roster.yaml: sites[1].name: 'north' is listed twice (line 5)");
  CHECK(refusal(with(kSouth, kNorth)) == "roster.yaml: sites[1].fingerprint: 'north' has the same key (line 6)");
  CHECK(refusal(with("fingerprint", "fingerprnt")).starts_with("roster.yaml: sites[0].fingerprnt: unknown key"));
  for (const std::string& wrong : {std::string(63, 'a'), std::string(65, 'a'), std::string(63, 'a') + "g",
                                   std::string("0x") + std::string(62, 'a'), std::string()})
    CHECK(refusal(with(kNorth, wrong)).starts_with("roster.yaml: sites[0].fingerprint: "));
  for (const char* wrong : {"North", "no_rth", "-north", "../north", "north south", ""})
    CHECK(refusal(with("north", wrong)).starts_with("roster.yaml: sites[0].name: "));
  for (const char* wrong : {"sites: north", "sites: {north: x}", "sites: [north]", "sites: [[]]", "sites: [null]"})
    CHECK(refusal(std::string("consortium: lung\n") + wrong + "\n").starts_with("roster.yaml: sites"));
  CHECK(refusal("consortium: lung\n") == "roster.yaml: sites: this key is missing (line 1)");
  CHECK(refusal("sites: []\n") == "roster.yaml: consortium: this key is missing (line 1)");
}

TEST_CASE("a hostile roster costs no more than its bound") {
  std::string many = "consortium: lung\nsites:\n";
  for (int i = 0; i < 10'001; ++i) many += "  - {}\n";
  CHECK(refusal(many) == "roster.yaml: sites: expected at most 10000 items, found 10001 (line 3)");
  refusal(kRoster + std::string(kMaxRosterBytes, '#'));
  refusal("consortium: lung\nsites: " + std::string(5000, '['));
  refusal(with("sites:", "sites: &a") + "more: *a\n");
  for (std::size_t length = 0; length + 1 < kRoster.size(); ++length) {
    const auto cut = parse_roster(kRoster.substr(0, length), "roster.yaml");
    if (cut) CHECK(cut->keys.size() < 2);
  }
}

}  // namespace
}  // namespace consilium::pki
