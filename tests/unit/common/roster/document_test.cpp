#include <string>

#include "common/roster/consortium_file.h"
#include "common/roster/roster_file.h"
#include "common/roster/succession.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

/// Checks docs/formats/roster.md with the readers.
namespace consilium::roster {
namespace {

/// Returns a YAML block of the page, counted from 0.
std::string example(int number) {
  const std::string page = pki::text_of(CONSILIUM_SOURCE_DIR "/docs/formats/roster.md");
  std::size_t begin = 0;
  for (int i = 0; i <= number; ++i) begin = page.find("```yaml\n", begin) + 8;
  return page.substr(begin, page.find("```", begin) - begin);
}

TEST_CASE("the documented roster and consortium file are read, and the second gives the first's population") {
  const auto roster = parse_roster(example(0), "roster.md");
  INFO((roster ? "" : roster.error().message));
  REQUIRE(roster);
  CHECK(roster->serial == 2);
  CHECK(roster->sites.size() == 4);
  REQUIRE(roster->consents.size() == 1);

  Roster previous = *roster;
  previous.serial = 1;
  previous.populations[0].groups.pop_back();
  previous.populations[0].history.pop_back();
  const auto plan = parse_consortium(example(2), "roster.md", *roster);
  INFO((plan ? "" : plan.error().message));
  REQUIRE(plan);
  const auto made = make_roster(*roster, *plan, &previous);
  REQUIRE(made);
  CHECK(made->roster.populations == roster->populations);
  CHECK(made->roster.serial == roster->serial);
}

TEST_CASE("the documented succession is read") {
  const pki::TemporaryFolder folder;
  pki::write_text(folder / "north.yaml", example(1));
  const auto read = read_successions(folder / "north.yaml");
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  CHECK(successions_text(*read) == example(1));
}

TEST_CASE("the documented text of a roster is the one that is written") {
  const std::string text = roster_text(parse_roster(example(0), "roster.md").value());
  CHECK(text.substr(text.find("consortium:")) == example(0));
}

TEST_CASE("the documented digest of a history is the one that is computed") {
  const std::string page = pki::text_of(CONSILIUM_SOURCE_DIR "/docs/formats/roster.md");
  CHECK(page.find("`" + crypto::to_hex(history_digest(std::vector<Group>{{"a", "b", "c"}})) + "`") !=
        std::string::npos);
}

}  // namespace
}  // namespace consilium::roster
