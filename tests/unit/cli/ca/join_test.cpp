#include "client/join.h"

#include <grp.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "client/as_user.h"
#include "common/kit/kit.h"
#include "common/pki/authority.h"
#include "common/roster/roster_file.h"
#include "tests/catch.h"
#include "tests/unit/cli/ca/office.h"
#include "tests/unit/common/pki/temporary_folder.h"

using Catch::Contains;
using consilium::ErrorCode;
using consilium::pki::text_of;
using consilium::pki::write_text;
using consilium::test::Office;
using consilium::test::type;
using consilium::test::word_behind;
namespace fs = std::filesystem;

namespace {

/// Replaces the only occurrence of a text in a file.
void edit(const std::string& file, const std::string& from, const std::string& to) {
  std::string text = text_of(file);
  REQUIRE(text.find(from) != std::string::npos);
  write_text(file, text.replace(text.find(from), from.size(), to));
}

/// Signs north's request and makes the first roster. Both are put into north's kit.
void answer_north(const Office& office) {
  REQUIRE(type({"ca", "sign", office.folder / "etc-north/north.csr", "--role", "site", "--name", "north", "--ca",
                office.ca, "--out", office.folder / "kits/north/north.pem"}));
  REQUIRE(type({"ca", "roster", "--ca", office.ca, "--out", office.folder / "kits/north/roster.yaml"}));
}

}  // namespace

TEST_CASE("nothing of a kit is installed before a person says that its fingerprints are the right ones") {
  const Office office;
  const auto made = office.kit({"north"});
  REQUIRE(made);
  for (const char* answers : {"", "no\n", "y\n", "YES\n", "\nyes\n"}) {
    const auto refused = office.join_asked("north", answers, {"--wait"});
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("nothing was installed") && Contains("yes"));
  }
  const auto alone = office.join_asked("north", "yes\n", {"--wait"}, false);
  REQUIRE_FALSE(alone);
  CHECK_THAT(alone.error().message, Contains("no terminal") && Contains("--compared"));
  CHECK_FALSE(fs::exists(office.folder / "etc-north"));
  const auto joined = office.join_asked("north", "yes\n");
  REQUIRE(joined);
  const auto asked = joined->find("Type yes or no: ");
  REQUIRE(asked != std::string::npos);
  const std::string before = joined->substr(0, asked);
  CHECK(word_behind(before, "root") == word_behind(*made, "root"));
  CHECK(word_behind(before, "kit") == word_behind(*made, "kit"));
  CHECK_THAT(before, Contains("chest-ap  /srv/consilium/chest-ap.npz"));
  CHECK_THAT(joined->substr(asked), Contains("\nkey   "));
  CHECK(office.join_asked("north", "", {}, false));  // what is installed was compared
}

TEST_CASE("with --compared a script joins without a terminal") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  const auto joined = office.join_asked("north", "", {"--compared"}, false);
  REQUIRE(joined);
  CHECK_THAT(*joined, !Contains("yes or no"));
  CHECK(fs::exists(office.folder / "etc-north/north.key"));
}

TEST_CASE("a roster is installed only after a person has compared it") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  const auto joined = office.join("north");
  REQUIRE(joined);
  answer_north(office);
  for (const char* answers : {"", "no\n"}) {
    const auto refused = office.join_asked("north", answers);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("roster were not installed"));
  }
  CHECK_THAT(office.join_asked("north", "yes\n", {"--wait"}, false).error().message, Contains("--compared"));
  CHECK_FALSE(fs::exists(office.folder / "etc-north/roster.yaml"));
  CHECK_FALSE(fs::exists(office.folder / "etc-north/north.pem"));
  const auto accepted = office.join_completely("north", "yes\n");
  REQUIRE(accepted);
  const auto asked = accepted->find("Type yes or no: ");
  CHECK_THAT(accepted->substr(0, asked), Contains("  north  " + word_behind(*joined, "key") + "\n"));
  CHECK(word_behind(accepted->substr(0, asked), "roster").size() == 64);
  CHECK(text_of(office.folder / "etc-north/roster.yaml") == text_of(office.folder / "kits/north/roster.yaml"));
  CHECK_THAT(office.join_completely("north", "").value(), !Contains("yes or no"));  // the same roster
}

TEST_CASE("a later join shows the fingerprint of the kit that is installed, and which files of the folder changed") {
  const Office office;
  const auto made = office.kit({"north"});
  REQUIRE(made);
  const auto first = office.join("north");
  REQUIRE(first);
  CHECK_THAT(*first, !Contains("Warning"));
  write_text(office.folder / "etc-north/crl.pem", text_of(office.ca + "/crl.pem") + "\n");  // the hospital's own change
  CHECK_THAT(office.join("north").value(), !Contains("Warning"));
  const std::string kit = office.folder / "kits/north";
  write_text(kit + "/policy.yaml", text_of(kit + "/policy.yaml") + "# more\n");
  write_text(kit + "/README.txt", "Answer yes.\n");
  const auto second = office.join("north");
  REQUIRE(second);
  CHECK(word_behind(*second, "kit") == word_behind(*made, "kit"));
  CHECK_THAT(*second, Contains("Warning") && Contains(": README.txt, policy.yaml."));

  // Nobody is known to have compared a kit without a record.
  fs::remove(office.folder / "etc-north/kit.sha256");
  CHECK_FALSE(office.join_asked("north", ""));
  CHECK_THAT(office.join_asked("north", "yes\n").value(), Contains("kit   not known"));
  write_text(office.folder / "etc-north/kit.sha256", "damaged\n");
  CHECK_THAT(office.join("north").error().message, Contains("kit.sha256"));
}

TEST_CASE("links in a kit and in the authority's answer aren't followed") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  const fs::path kit = office.folder / "kits/north";
  const auto refused = [&](const std::string& name) {
    fs::rename(kit / name, office.folder / "elsewhere");
    fs::create_symlink(office.folder / "elsewhere", kit / name);
    const auto joined = office.join("north");
    REQUIRE_FALSE(joined);
    CHECK_THAT(joined.error().message, Contains((kit / name).string()) && Contains("symbolic link"));
    fs::rename(office.folder / "elsewhere", kit / name);
  };
  for (const char* name :
       {"client.yaml", "policy.yaml", "README.txt", "crl.pem", "root.pem", "consilium-client.service"}) {
    refused(name);
  }
  CHECK_FALSE(fs::exists(office.folder / "etc-north"));
  REQUIRE(office.join("north"));
  answer_north(office);
  refused("north.pem");
  refused("roster.yaml");
  CHECK_FALSE(fs::exists(office.folder / "etc-north/north.pem"));
}

TEST_CASE("a revocation list that the root hasn't signed is refused before anything is installed") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  REQUIRE(type({"ca", "init", office.folder / "other", "--name", "lung"}));
  for (const std::string& list : {text_of(office.folder / "other/crl.pem"), std::string("nothing\n")}) {
    write_text(office.folder / "kits/north/crl.pem", list);
    const auto refused = office.join("north");
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("kits/north/crl.pem: "));
  }
  CHECK_FALSE(fs::exists(office.folder / "etc-north"));
}

TEST_CASE("a join doesn't go back to an older roster or to a certificate that ends earlier") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  REQUIRE(office.join("north"));
  answer_north(office);
  REQUIRE(office.join_completely("north", "yes\n"));
  const fs::path roster = office.folder / "etc-north/roster.yaml";
  const fs::path certificate = office.folder / "etc-north/north.pem";
  const std::string long_one = text_of(certificate);
  REQUIRE(type({"ca", "sign", office.folder / "etc-north/north.csr", "--role", "site", "--name", "north", "--days", "9",
                "--ca", office.ca, "--out", office.folder / "short.pem"}));
  const std::string short_one = text_of(office.folder / "short.pem");
  write_text(roster, "serial: 7\n" + text_of(roster));
  const std::string newer = text_of(roster);
  write_text(office.folder / "kits/north/north.pem", short_one);
  const auto kept = office.join_completely("north", "");
  REQUIRE(kept);
  CHECK_THAT(*kept, Contains("Kept " + roster.string() + ", whose serial is 7"));
  CHECK_THAT(*kept, Contains("Kept " + certificate.string() + ", because"));
  CHECK(text_of(roster) == newer);
  CHECK(text_of(certificate) == long_one);

  write_text(certificate, short_one);
  write_text(office.folder / "kits/north/north.pem", long_one);
  write_text(office.folder / "kits/north/roster.yaml", "serial: 8\n" + newer.substr(newer.find('\n') + 1));
  REQUIRE(office.join_completely("north", "yes\n"));
  CHECK(text_of(certificate) == long_one);
  CHECK(consilium::roster::read_roster(roster).value().serial == 8);
}

TEST_CASE("a kit's client.yaml can't set what only the hospital decides") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  const std::string file = office.folder / "kits/north/client.yaml";
  const std::string config = text_of(file);
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& key) {
    edit(file, from, to);
    const auto joined = office.join("north");
    REQUIRE_FALSE(joined);
    CHECK_THAT(joined.error().message, Contains("client.yaml: " + key + ": only the hospital"));
    CHECK_FALSE(fs::exists(office.folder / "etc-north"));
    write_text(file, config);
  };
  refused("site: north", "site_secret: known\nsite: north", "site_secret");
  refused("# proxy: proxy", "proxy: proxy", "proxy");
  refused("# scratch: /var", "scratch: /var", "trainer.scratch");
  refused("# atlases:\n#   hipp", "atlases:\n  hipp", "atlases");
  refused("state_dir: /var/lib/consilium/client", "state_dir: /srv/consilium", "state_dir");
  CHECK(office.join("north"));
}

TEST_CASE("a service isn't started for another user than its unit's") {
  const Office office;
  REQUIRE(office.kit({"north"}));
  const auto refused = office.join("north", {"--wait", "--start"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(refused.error().message, Contains("--start: the unit runs the client as the user consilium"));
  CHECK_FALSE(fs::exists(office.folder / "etc-north"));
}

TEST_CASE("root changes to a user without keeping its groups") {
  if (::geteuid() != 0) return;  // other users can't change
  const auto groups = [] {
    std::vector<gid_t> found(64);
    found.resize(static_cast<std::size_t>(::getgroups(64, found.data())));
    return found;
  };
  const auto before = groups();
  const std::vector<gid_t> roots = {0, 42};
  if (::setgroups(roots.size(), roots.data()) != 0) return;  // a namespace without setgroups
  {
    const consilium::client::AsUser nobody(consilium::client::daemon_user("nobody").value());
    CHECK(::geteuid() != 0);
    for (const gid_t group : groups()) CHECK((group != 0 && group != 42));
  }
  CHECK(::geteuid() == 0);
  CHECK(groups() == roots);
  REQUIRE(::setgroups(before.size(), before.data()) == 0);
}
