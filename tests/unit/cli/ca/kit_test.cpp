#include "common/kit/kit.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "common/pki/trust.h"
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

TEST_CASE("a kit is filled in, says nothing secret, and its fingerprints are printed on both sides") {
  const Office office;
  const auto made = office.kit({"north", "south"});
  REQUIRE(made);
  const std::string kit = office.folder / "kits/north";
  CHECK(text_of(kit + "/root.pem") == text_of(office.ca + "/root.pem"));
  CHECK(text_of(kit + "/crl.pem") == text_of(office.ca + "/crl.pem"));
  for (const auto& entry : fs::directory_iterator(kit)) {
    CHECK_THAT(text_of(entry.path()), !Contains("PRIVATE"));
    CHECK(fs::is_regular_file(entry.path()));
  }
  const auto config = consilium::client::read_client_config(kit + "/client.yaml").value();
  CHECK(config.site == "north");
  CHECK(config.coordinator == "hub.example.org:8470");
  CHECK(config.tls.key == kit + "/north.key");
  CHECK(config.tls.revocation_list == kit + "/crl.pem");
  CHECK(config.roster == kit + "/roster.yaml");
  CHECK(config.datasets.size() == 2);
  CHECK(config.datasets.at("chest-ap").path == "/srv/consilium/chest-ap.npz");
  const auto policy = consilium::policy::read_policy(kit + "/policy.yaml").value();
  CHECK(policy.rules().datasets == std::vector<std::string>{"chest", "chest-ap"});
  CHECK_FALSE(policy.rules().allow_unmasked);
  CHECK(policy.rules().researchers.empty());
  CHECK_THAT(text_of(kit + "/README.txt"), Contains("consilium-client join north"));
  CHECK_THAT(text_of(kit + "/consilium-client.service"), Contains("ExecStart="));
  CHECK_FALSE(fs::exists(kit + "/roster.yaml"));

  const auto joined = office.join("north");
  REQUIRE(joined);
  CHECK(word_behind(*joined, "root") == word_behind(*made, "root"));
  CHECK(word_behind(*joined, "kit") == word_behind(*made, "kit"));
  CHECK(word_behind(*joined, "root").size() == 64);
  struct stat status {};
  REQUIRE(::stat((office.folder / "etc-north/north.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK_FALSE(fs::exists(kit + "/north.key"));
}

TEST_CASE("no name, address or folder leads a kit to another place or into another kit") {
  const Office office;
  for (const char* name : {"../north", "north/x", "/tmp/north", ".", "", "North", "no rth", "n\xc3\xb6rd", "-north"})
    CHECK_FALSE(office.kit({"south", name}));
  CHECK_FALSE(office.kit({"south", "south"}));
  for (const char* address : {"hub", "hub:0", "hub:99999", "hub:84 70", "hub\"\nsite: evil:1", "\xff:1"})
    CHECK_FALSE(office.kit({"south"}, address));
  CHECK_FALSE(fs::exists(office.folder / "kits"));  // all or none
  REQUIRE(office.kit({"north"}));
  const auto again = office.kit({"east", "north"});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kAlreadyExists);
  CHECK_FALSE(fs::exists(office.folder / "kits/east"));
  fs::create_symlink(office.ca, office.folder / "kits/west");
  CHECK_FALSE(office.kit({"west"}));
  CHECK_FALSE(fs::exists(office.ca + "/client.yaml"));
}

TEST_CASE("an altered kit shows by its fingerprint, and one that would run or overwrite something is refused") {
  const Office office;
  const auto made = office.kit({"north"});
  REQUIRE(made);
  const std::string kit = office.folder / "kits/north";
  const std::string config = text_of(kit + "/client.yaml");
  const auto refused = [&](const std::string& file, const std::string& text, const std::string& why) {
    const std::string before = text_of(kit + "/" + file);
    write_text(kit + "/" + file, text);
    const auto joined = office.join("north");
    REQUIRE_FALSE(joined);
    CHECK_THAT(joined.error().message, Contains(why));
    CHECK_FALSE(fs::exists(office.folder / "etc-north"));
    write_text(kit + "/" + file, before);
  };
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = config;
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
  };
  refused("client.yaml", with("  device: auto ", "  command: /bin/sh\n  device: auto "), "names a program");
  refused("client.yaml", with("key: north.key", "key: ../shadow"), "other files");
  refused("client.yaml", with("policy: policy.yaml", "policy: /etc/passwd"), "other files");
  refused("client.yaml", with("site: north", "site: ../x"), "");
  refused("policy.yaml", "surprise: 1\n", "policy.yaml");
  refused("root.pem", "nothing", "root.pem");
  fs::remove(kit + "/crl.pem");
  CHECK_THAT(office.join("north").error().message, Contains("crl.pem"));
  fs::copy_file(office.ca + "/crl.pem", kit + "/crl.pem");

  write_text(kit + "/policy.yaml", text_of(kit + "/policy.yaml") + "# more\n");
  const auto joined = office.join("north");
  REQUIRE(joined);
  CHECK(word_behind(*joined, "root") == word_behind(*made, "root"));
  CHECK(word_behind(*joined, "kit") != word_behind(*made, "kit"));
}

TEST_CASE("a join never mixes two kits, and never makes a second key") {
  const Office office;
  REQUIRE(office.kit({"north", "south"}));
  REQUIRE(office.join("north"));
  const std::string key = text_of(office.folder / "etc-north/north.key");
  write_text(office.folder / "etc-north/policy.yaml",
             "# edited here\n" + text_of(office.folder / "etc-north/policy.yaml"));
  REQUIRE(office.join("north"));  // goes on with the same key, and leaves what was edited
  CHECK(text_of(office.folder / "etc-north/north.key") == key);
  CHECK_THAT(text_of(office.folder / "etc-north/policy.yaml"), Contains("edited here"));
  const auto mixed =
      type({"join", office.folder / "kits/south", "--to", office.folder / "etc-north", "--user", "root", "--compared"});
  REQUIRE_FALSE(mixed);
  CHECK(mixed.error().code == ErrorCode::kAlreadyExists);
  CHECK_FALSE(fs::exists(office.folder / "etc-north/south.key"));

  REQUIRE(type({"ca", "init", office.folder / "other", "--name", "lung"}));
  for (const std::string file : {"root.pem", "crl.pem"}) {
    fs::copy_file(office.folder / ("other/" + file), office.folder / ("kits/north/" + file),
                  fs::copy_options::overwrite_existing);
  }
  CHECK_THAT(office.join("north").error().message, Contains("another consortium's"));
}

TEST_CASE("requests are signed after a yes for each key, and what comes back is checked before it is in place") {
  const Office office;
  REQUIRE(office.kit({"north", "south"}));
  const auto joined = office.join("north");
  REQUIRE(joined);
  REQUIRE(office.join("south"));
  for (const char* answers : {"yes\nno\n", "", "yes\n", "y\nyes\n"}) {
    const auto refused = office.admit({"north", "south"}, answers);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("nothing was signed"));
  }
  CHECK_THAT(type({"ca", "list", "--ca", office.ca}).value(), Contains("Nothing was signed yet"));
  const auto admitted = office.admit({"north", "south"}, "yes\nyes\n");
  REQUIRE(admitted);
  CHECK_THAT(*admitted, Contains("site north: " + word_behind(*joined, "key")));
  CHECK_THAT(office.admit({"north"}, "yes\n").error().message, Contains("exists already"));

  // Another hospital's certificate, and one of another key, don't get in place.
  const std::string in_kit = office.folder / "kits/north/north.pem";
  fs::copy_file(office.folder / "answers/south/south.pem", in_kit);
  CHECK_THAT(office.join("north").error().message, Contains("/site/south"));
  CHECK_FALSE(fs::exists(office.folder / "etc-north/north.pem"));
  fs::remove(in_kit);
  const auto elsewhere = office.join("north", {"--certificate", office.folder / "answers/north/north.pem"});
  REQUIRE(elsewhere);
  CHECK_THAT(*elsewhere, Contains("The roster isn't there yet"));
  CHECK(text_of(office.folder / "etc-north/north.pem") == text_of(office.folder / "answers/north/north.pem"));
  CHECK_FALSE(office.join("north", {"--certificate", office.folder / "nothing.pem"}));

  // A roster without this hospital is refused.
  const std::string roster = office.folder / "kits/north/roster.yaml";
  write_text(roster, "consortium: lung\nsites: []\n");
  const auto lacking = office.join("north", {"--certificate", office.folder / "answers/north/north.pem"});
  REQUIRE_FALSE(lacking);
  CHECK_FALSE(fs::exists(office.folder / "etc-north/roster.yaml"));
}

TEST_CASE("everybody is admitted by one command, which makes the roster") {
  const Office office;
  std::vector<std::string> names = {"north", "south", "west"};
  REQUIRE(office.kit(names));
  for (const std::string& name : names) REQUIRE(office.join(name));
  REQUIRE(type({"ca", "request", "--consortium", "lung", "--role", "coordinator", "--name", "main", "--out",
                office.folder / "c"}));
  REQUIRE(type({"ca", "request", "--consortium", "lung", "--role", "researcher", "--name", "ada", "--out",
                office.folder / "r"}));
  const auto admitted = type({"ca",
                              "admit",
                              "--site",
                              office.folder / "etc-north/north.csr",
                              office.folder / "etc-south/south.csr",
                              office.folder / "etc-west/west.csr",
                              "--coordinator",
                              office.folder / "c/main.csr",
                              "--researcher",
                              office.folder / "r/ada.csr",
                              "--address",
                              "[::1]:8470",
                              "--consortium",
                              office.plan,
                              "--roster-out",
                              office.folder / "roster-1.yaml",
                              "--ca",
                              office.ca,
                              "--out",
                              office.folder / "answers",
                              "--compared"});
  REQUIRE(admitted);
  const auto roster = consilium::roster::read_roster(office.folder / "answers/north/roster.yaml").value();
  CHECK(roster.serial == 1);
  CHECK(roster.sites.size() == 3);
  CHECK(roster.populations.size() == 1);
  CHECK(text_of(office.folder / "answers/ada/roster.yaml") == text_of(office.folder / "roster-1.yaml"));
  CHECK_FALSE(fs::exists(office.folder / "answers/main/roster.yaml"));
  CHECK_FALSE(fs::exists(office.folder / "answers/north/root.pem"));  // it came with the kit
  CHECK_THAT(text_of(office.folder / "answers/ada/config.yaml"), Contains("\"[::1]:8470\""));
  CHECK_THAT(text_of(office.folder / "answers/main/coordinator.yaml"), Contains("certificate: main.pem"));
  CHECK(fs::exists(office.folder / "answers/main/consilium-coordinator.service"));
  CHECK(consilium::pki::check_certificate_host(text_of(office.folder / "answers/main/main.pem"), "::1"));
}
