#include "client/policy/accepted_roster.h"

#include "common/roster/roster_file.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::policy {
namespace {

using Catch::Contains;
using pki::TemporaryFolder;
using roster::Group;
using roster::Roster;

const Group kFour{"east", "north", "south", "west"};

Roster roster_of(std::uint64_t serial, const std::vector<Group>& history) {
  Roster roster;
  roster.consortium = "lung";
  roster.serial = serial;
  for (const std::string& site : kFour) roster.sites[site] = crypto::sha256(site);
  roster.populations = {{"chest", {"chest"}, roster::Mode::kMasked, 500, {history.back()}, history}};
  return roster;
}

std::string refusal(const TemporaryFolder& state, const Roster& next) {
  const auto accepted = accept_roster(state.path(), next, {}, "north");
  REQUIRE_FALSE(accepted);
  return accepted.error().message;
}

TEST_CASE("the roster accepted last is kept, and an older or forbidden one is refused after a restart") {
  const TemporaryFolder state;
  CHECK_FALSE(read_accepted_roster(state.path())->has_value());
  CHECK(check_next_roster(state.path(), roster_of(2, {kFour}), {}, "north"));
  CHECK_FALSE(read_accepted_roster(state.path())->has_value());  // a check accepts nothing
  REQUIRE(accept_roster(state.path(), roster_of(2, {kFour}), {}, "north"));
  CHECK_FALSE(check_next_roster(state.path(), roster_of(1, {kFour}), {}, "north"));
  CHECK(read_accepted_roster(state.path()).value() == roster_of(2, {kFour}));
  CHECK(accept_roster(state.path(), roster_of(2, {kFour}), {}, "north"));
  CHECK_THAT(refusal(state, roster_of(1, {kFour})), Contains("client.yaml: roster: serial: expected more than 2"));
  CHECK_THAT(refusal(state, roster_of(3, {kFour, {"east", "north", "south"}})), Contains("west's part"));
  CHECK(read_accepted_roster(state.path()).value() == roster_of(2, {kFour}));
  REQUIRE(accept_roster(state.path(), roster_of(3, {kFour}), {}, "north"));
  CHECK_THAT(refusal(state, roster_of(2, {kFour})), Contains("expected more than 3"));
}

TEST_CASE("a site that has accepted populations doesn't start without a roster") {
  const TemporaryFolder state;
  CHECK(accept_roster(state.path(), {}, {}, "north"));
  CHECK_FALSE(read_accepted_roster(state.path())->has_value());
  REQUIRE(accept_roster(state.path(), roster_of(2, {kFour}), {}, "north"));
  CHECK_THAT(refusal(state, {}), Contains("names no file, but this site has accepted roster 2"));
}

TEST_CASE("a roster of sites alone follows another one freely") {
  const TemporaryFolder state;
  Roster plain;
  plain.consortium = "lung";
  REQUIRE(accept_roster(state.path(), plain, {}, "north"));
  plain.sites["north"] = crypto::sha256("north");
  REQUIRE(accept_roster(state.path(), plain, {}, "north"));
  CHECK(read_accepted_roster(state.path()).value() == plain);
  CHECK(accept_roster(state.path(), {}, {}, "north"));
}

TEST_CASE("the ledger's groups count, and so does the site itself in its first roster") {
  const TemporaryFolder state;
  const Roster first = roster_of(2, {kFour, {"east", "north", "south"}});
  CHECK_FALSE(accept_roster(state.path(), first, {{"chest", {{"east", "north", "west"}}}}, "north"));
  CHECK_FALSE(accept_roster(state.path(), first, {}, "west"));
  CHECK(accept_roster(state.path(), first, {{"chest", {kFour}}}, "north"));
}

TEST_CASE("a damaged record of the accepted roster is an error, never a first roster") {
  const TemporaryFolder state;
  pki::write_text(state / "roster.accepted", "junk");
  CHECK_THAT(refusal(state, roster_of(2, {kFour})), Contains("roster.accepted"));
  std::filesystem::remove(state / "roster.accepted");
  std::filesystem::create_symlink(state / "absent", state / "roster.accepted");
  CHECK_FALSE(accept_roster(state.path(), roster_of(2, {kFour}), {}, "north"));
}

}  // namespace
}  // namespace consilium::policy
