#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/ca.h"
#include "client/enroll.h"
#include "client/roster_command.h"
#include "common/roster/roster_file.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

/// The commands that change a consortium's roster, on the authority's machine and at the hospitals.
namespace consilium {
namespace {

using Catch::Contains;
using pki::text_of;
using pki::write_text;
using roster::Group;

struct Outcome {
  int code = 0;
  std::string printed;
};

/// Runs a command line of `consilium` or `consilium-client`.
Result<Outcome> run(const std::vector<std::string>& words) {
  std::ostringstream out;
  std::function<Result<int>()> action;
  CLI::App app("test", "consilium");
  cli::add_ca_command(app, action, std::cin, out);
  client::add_enroll_command(app, action, out);
  client::add_roster_command(app, action, out);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::kInvalidArgument, std::string("usage: ") + error.what());
  }
  CONSILIUM_ASSIGN(const int code, action());
  return Outcome{code, out.str()};
}

/// An authority, and hospitals with certificates and configurations.
class Hospitals {
 public:
  explicit Hospitals(const std::vector<std::string>& sites) {
    REQUIRE(run({"ca", "init", ca(), "--name", "lung"}));
    for (const std::string& site : sites) admit(site);
    write_text(folder_ / "consortium.yaml", "populations: {chest: {datasets: [chest], examples: 500}}\n");
  }

  [[nodiscard]] std::string at(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string ca() const { return at("ca"); }

  void admit(const std::string& site) {
    REQUIRE(run({"enroll", "--site", site, "--consortium", "lung", "--out", at(site)}));
    REQUIRE(run({"ca", "sign", at(site + "/" + site + ".csr"), "--ca", ca(), "--role", "site", "--name", site, "--out",
                 at(site + "/" + site + ".pem")}));
    std::filesystem::create_directory(at(site + "/state"));
    write_text(at(site + "/client.yaml"), "site: " + site +
                                              "\ncoordinator: localhost:1\npolicy: policy.yaml\nstate_dir: state\n"
                                              "tls: {root: root.pem, certificate: " +
                                              site + ".pem, key: " + site +
                                              ".key}\ndatasets: {chest: {type: npz, path: chest.npz}}\n");
  }

  void group(const std::string& groups) const {
    write_text(folder_ / "consortium.yaml",
               "populations: {chest: {datasets: [chest], examples: 500, groups: " + groups + "}}\n");
  }

  /// Runs `ca roster` with the consortium's file. Returns its output.
  std::string make(const std::string& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"ca",    "roster", "--ca", ca(), "--consortium", at("consortium.yaml"),
                                   "--out", at(out)};
    words.insert(words.end(), more.begin(), more.end());
    const auto made = run(words);
    return made ? made->printed : "failed: " + made.error().message;
  }

  [[nodiscard]] Result<Outcome> roster(const std::string& command, const std::string& site, const std::string& file,
                                       std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"roster", command, "--config", at(site + "/client.yaml"), at(file)};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }

 private:
  pki::TemporaryFolder folder_;
};

TEST_CASE("a first roster is made from the authority's book and consortium.yaml, and each site accepts it") {
  const Hospitals lung({"east", "north", "south"});
  CHECK_THAT(lung.make("roster-1.yaml"), Contains("with 3 sites"));
  const auto first = roster::read_roster(lung.at("roster-1.yaml"));
  REQUIRE(first);
  CHECK(first->serial == 1);
  CHECK(first->populations[0].groups == std::vector<Group>{{"east", "north", "south"}});
  const auto checked = lung.roster("check", "north", "roster-1.yaml");
  REQUIRE(checked);
  CHECK(checked->code == 0);
  CHECK_THAT(checked->printed, Contains("Population chest (masked): sums over {east, north, south}.") &&
                                   Contains("site east joins with the key") && Contains("Acceptable"));
  CHECK_FALSE(std::filesystem::exists(lung.at("north/state/roster.accepted")));
  CHECK(lung.roster("accept", "north", "roster-1.yaml")->code == 0);
  CHECK(roster::read_roster(lung.at("north/state/roster.accepted")) == *first);
  CHECK_THAT(lung.make("roster.json", {"--json"}), Contains("Wrote"));
  CHECK(nlohmann::json::parse(text_of(lung.at("roster.json"))).at("serial") == 1);
  CHECK(roster::read_roster(lung.at("roster.json")) == *first);
}

TEST_CASE("a joiner signs, its signature is put in, and only then do the others accept it") {
  Hospitals lung({"east", "north", "south"});
  lung.make("roster-1.yaml");
  REQUIRE(lung.roster("accept", "north", "roster-1.yaml"));
  lung.admit("west");
  CHECK_THAT(lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")}), Contains("west is in no group"));
  lung.group("[[east, north, south, west]]");
  CHECK_THAT(
      lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")}),
      Contains("west's part would be the difference of the sums over {east, north, south, west} and {east, north, "
               "south}") &&
          Contains("until each of {west} has signed") && Contains("consilium-client roster consent"));

  const auto before = lung.roster("check", "north", "roster-2.yaml");
  CHECK(before->code == 1);
  CHECK_THAT(before->printed, Contains("Not signed by {west}") && Contains("Not acceptable"));
  CHECK_FALSE(lung.roster("accept", "north", "roster-2.yaml"));
  const auto neighbour = lung.roster("consent", "north", "roster-2.yaml", {"--out", lung.at("north.yaml")});
  CHECK_THAT(neighbour.error().message, Contains("no signature of this site is needed"));

  const auto consent = lung.roster("consent", "west", "roster-2.yaml", {"--out", lung.at("west.yaml")});
  REQUIRE(consent);
  CHECK_THAT(consent->printed, Contains("west's part would be") && Contains("consilium ca roster --consent"));
  CHECK_THAT(lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml"), "--consent", lung.at("west.yaml")}),
             !Contains("refuse"));
  const auto after = lung.roster("check", "north", "roster-2.yaml");
  CHECK(after->code == 0);
  CHECK_THAT(after->printed, Contains("They have signed."));
  CHECK(lung.roster("accept", "north", "roster-2.yaml")->code == 0);
  CHECK(lung.roster("accept", "west", "roster-2.yaml")->code == 0);
  CHECK_FALSE(lung.roster("accept", "north", "roster-1.yaml"));
}

TEST_CASE("a site that signed --may-leave leaves when a person at each other site accepts it") {
  const Hospitals lung({"east", "north", "south", "west"});
  lung.make("roster-1.yaml");
  REQUIRE(lung.roster("consent", "west", "roster-1.yaml", {"--may-leave", "--out", lung.at("leave.yaml")}));
  CHECK_THAT(lung.make("roster-1.yaml", {"--consent", lung.at("leave.yaml")}), Contains("Wrote"));
  REQUIRE(lung.roster("accept", "north", "roster-1.yaml"));
  REQUIRE(run({"ca", "revoke", "--ca", lung.ca(), "--role", "site", "--name", "west"}));
  lung.group("[[east, north, south]]");
  CHECK_THAT(lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")}), !Contains("refuse"));
  const auto checked = lung.roster("check", "north", "roster-2.yaml");
  CHECK(checked->code == 1);
  CHECK_THAT(checked->printed, Contains("site west leaves") && Contains("a person at this site must accept it"));
  CHECK(lung.roster("accept", "north", "roster-2.yaml")->code == 0);
  CHECK(lung.roster("check", "north", "roster-2.yaml")->code == 0);
}

TEST_CASE("commands refuse what the rules forbid, with file and key") {
  const Hospitals lung({"east", "north", "south"});
  lung.make("roster-1.yaml");
  write_text(lung.at("consortium.yaml"), "populations: {chest: {datasets: [chest], examples: 499}}\n");
  CHECK_THAT(lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")}),
             Contains("failed: consortium.yaml: populations.chest.examples: expected at least 500"));
  CHECK_FALSE(std::filesystem::exists(lung.at("roster-2.yaml")));
  write_text(lung.at("bad.yaml"), "consents: [{}]\n");
  CHECK_THAT(lung.make("roster-2.yaml", {"--consent", lung.at("bad.yaml")}), Contains("bad.yaml: consents[0]"));
  CHECK_THAT(run({"ca", "roster", "--ca", lung.ca(), "--consortium", "c.yaml"}).error().message, Contains("usage"));
  CHECK_THAT(run({"ca", "roster", "--ca", lung.ca(), "--previous", "r.yaml"}).error().message, Contains("usage"));
  CHECK_THAT(run({"roster"}).error().message, Contains("usage"));
}

TEST_CASE("a roster that is needed still isn't written over, and one without populations says what follows") {
  Hospitals lung({"east", "north", "south"});
  lung.make("roster-1.yaml");
  const std::string first = text_of(lung.at("roster-1.yaml"));
  CHECK_THAT(lung.make("roster-1.yaml", {"--previous", lung.at("roster-1.yaml")}),
             Contains("failed: ") && Contains("--out is the roster before") && Contains("write roster 2 into a file"));
  CHECK_THAT(lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")}), Contains("Wrote"));
  const std::string second = text_of(lung.at("roster-2.yaml"));
  CHECK_THAT(lung.make("roster-2.yaml"),
             Contains("failed: ") && Contains("holds roster 2, and this one would be roster 1"));
  CHECK_FALSE(run({"ca", "roster", "--ca", lung.ca(), "--out", lung.at("roster-1.yaml")}));
  CHECK(text_of(lung.at("roster-1.yaml")) == first);
  CHECK(text_of(lung.at("roster-2.yaml")) == second);
  CHECK_THAT(lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")}), Contains("Wrote"));  // again
  const auto members = run({"ca", "roster", "--ca", lung.ca(), "--out", lung.at("members.yaml")});
  REQUIRE(members);
  CHECK_THAT(members->printed, Contains("no populations") && Contains("masked-threshold") && Contains("--consortium"));
}

TEST_CASE("a signature over another roster isn't put in") {
  Hospitals lung({"east", "north", "south"});
  lung.make("roster-1.yaml");
  lung.admit("west");
  lung.group("[[east, north, south, west]]");
  lung.make("roster-2.yaml", {"--previous", lung.at("roster-1.yaml")});
  REQUIRE(lung.roster("consent", "west", "roster-2.yaml", {"--out", lung.at("west.yaml")}));
  CHECK_THAT(
      lung.make("roster-3.yaml", {"--previous", lung.at("roster-2.yaml"), "--consent", lung.at("west.yaml")}),
      Contains("west.yaml: consent of site 'west' in population 'chest': it was signed for roster 2, expected 3"));
}

TEST_CASE("a site looks only at its own consortium's rosters, and signs only with the key that they give it") {
  Hospitals lung({"east", "north", "south", "west"});
  lung.make("roster-1.yaml");
  std::string text = text_of(lung.at("roster-1.yaml"));
  write_text(lung.at("heart.yaml"), std::string(text).replace(text.find("\"lung\""), 6, "\"heart\""));
  CHECK_THAT(lung.roster("check", "north", "heart.yaml").error().message,
             Contains("consortium: expected 'lung', that of this site's certificate, found 'heart'"));
  auto other = roster::read_roster(lung.at("roster-1.yaml")).value();
  other.sites["north"] = crypto::sha256("another");
  write_text(lung.at("other.yaml"), roster::roster_text(other));
  CHECK_THAT(lung.roster("check", "north", "other.yaml")->printed, Contains("but the certificate has"));
  CHECK_THAT(lung.roster("consent", "north", "other.yaml", {"--may-leave", "--out", lung.at("n.yaml")}).error().message,
             Contains("with the key of its certificate"));
}

}  // namespace
}  // namespace consilium
