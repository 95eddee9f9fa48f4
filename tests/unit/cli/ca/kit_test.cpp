#include "common/kit/kit.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "cli/ca.h"
#include "client/daemon_config.h"
#include "client/join.h"
#include "client/policy/policy.h"
#include "common/pki/trust.h"
#include "common/roster/roster_file.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using Catch::Contains;
using consilium::ErrorCode;
using consilium::Result;
using consilium::pki::TemporaryFolder;
using consilium::pki::text_of;
using consilium::pki::write_text;
namespace fs = std::filesystem;

namespace {

/// Runs a command line with a person's answers, and returns the output.
Result<std::string> type(std::vector<std::string> words, const std::string& answers = "") {
  std::istringstream in(answers);
  std::ostringstream out;
  std::function<Result<int>()> action;
  CLI::App app("test", "consilium");
  consilium::cli::add_ca_command(app, action, in, out);
  consilium::client::add_join_command(app, action, out);
  std::vector<const char*> arguments = {"consilium"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  try {
    app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    return consilium::fail(ErrorCode::kInvalidArgument, std::string("usage: ") + error.what());
  }
  CONSILIUM_ASSIGN(const int code, action());
  CHECK(code == 0);
  return out.str();
}

/// An authority, and a folder for its files.
struct Office {
  TemporaryFolder folder;
  std::string ca = folder / "ca";
  std::string plan = folder / "consortium.yaml";

  Office() {
    REQUIRE(type({"ca", "init", ca, "--name", "lung"}));
    write_text(plan, "populations:\n  chest: {datasets: [chest, chest-ap], examples: 500}\n");
  }
  Result<std::string> kit(std::vector<std::string> names, const std::string& address = "hub.example.org:8470") const {
    std::vector<std::string> words = {"ca", "kit"};
    words.insert(words.end(), names.begin(), names.end());
    words.insert(words.end(), {"--address", address, "--consortium", plan, "--ca", ca, "--out", folder / "kits"});
    return type(words);
  }
  Result<std::string> join(const std::string& name, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"join", folder / ("kits/" + name), "--to", folder / ("etc-" + name), "--user",
                                      "root"};
    words.insert(words.end(), more.begin(), more.end());
    return type(words);
  }
  /// Lets the authority admit hospitals, with these answers to its questions about the keys.
  Result<std::string> admit(std::vector<std::string> sites, const std::string& answers) const {
    std::vector<std::string> words = {
        "ca", "admit", "--address", "hub.example.org:8470", "--ca", ca, "--out", folder / "answers", "--site"};
    for (const std::string& site : sites) words.push_back(folder / ("etc-" + site + "/" + site + ".csr"));
    return type(words, answers);
  }
};

/// Returns the word that follows another one at the beginning of a line of output.
std::string word_behind(const std::string& text, const std::string& name) {
  const auto at = text.find("\n" + name + " ");
  if (at == std::string::npos) return "";
  const auto begin = text.find_first_not_of(' ', at + 1 + name.size());
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

}  // namespace

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
      type({"join", office.folder / "kits/south", "--to", office.folder / "etc-north", "--user", "root"});
  REQUIRE_FALSE(mixed);
  CHECK(mixed.error().code == ErrorCode::kAlreadyExists);
  CHECK_FALSE(fs::exists(office.folder / "etc-north/south.key"));

  REQUIRE(type({"ca", "init", office.folder / "other", "--name", "lung"}));
  fs::copy_file(office.folder / "other/root.pem", office.folder / "kits/north/root.pem",
                fs::copy_options::overwrite_existing);
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
