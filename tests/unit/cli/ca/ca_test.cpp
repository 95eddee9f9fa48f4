#include "cli/ca.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "client/enroll.h"
#include "common/pki/authority.h"
#include "common/pki/trust.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using Catch::Contains;
using consilium::ErrorCode;
using consilium::Result;
using consilium::pki::TemporaryFolder;
using consilium::pki::text_of;
using consilium::pki::write_text;

namespace {

/// Runs a command line. Returns what it printed, or why it failed.
Result<std::string> run(std::vector<std::string> words) {
  std::ostringstream out;
  std::function<Result<int>()> action;
  CLI::App app("test", "consilium");
  consilium::cli::add_ca_command(app, action, std::cin, out);
  consilium::client::add_enroll_command(app, action, out);
  std::vector<const char*> arguments = {"consilium"};
  for (const std::string& word : words) {
    arguments.push_back(word.c_str());
  }
  try {
    app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    return consilium::fail(ErrorCode::kInvalidArgument, std::string("usage: ") + error.what());
  }
  CONSILIUM_ASSIGN(const int code, action());
  CHECK(code == 0);
  return out.str();
}

}  // namespace

TEST_CASE("an authority, a coordinator, a site and a researcher come to be by commands alone") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  REQUIRE(
      run({"ca", "request", "--consortium", "lung", "--role", "coordinator", "--name", "main", "--out", folder / "c"}));
  REQUIRE(run({"ca", "sign", folder / "c/main.csr", "--ca", ca, "--role", "coordinator", "--name", "main", "--host",
               "localhost", "--host", "127.0.0.1", "--out", folder / "c/main.pem"}));
  const auto enrolled = run({"enroll", "--site", "north", "--consortium", "lung", "--out", folder / "n"});
  REQUIRE(enrolled);
  CHECK(enrolled->find("consilium ca sign north.csr --role site --name north --fingerprint") != std::string::npos);
  REQUIRE(run({"ca", "sign", folder / "n/north.csr", "--ca", ca, "--role", "site", "--name", "north", "--out",
               folder / "n/north.pem"}));
  REQUIRE(
      run({"ca", "request", "--consortium", "lung", "--role", "researcher", "--name", "ada", "--out", folder / "r"}));
  REQUIRE(run({"ca", "sign", folder / "r/ada.csr", "--ca", ca, "--role", "researcher", "--name", "ada", "--days", "30",
               "--out", folder / "r/ada.pem"}));

  using namespace consilium::pki;
  const auto store = TrustStore::open(folder / "ca/root.pem", folder / "ca/crl.pem").value();
  CHECK(
      store->authenticate(check_key_pair(folder / "c/main.pem", folder / "c/main.key").value(), {Role::kCoordinator}));
  CHECK(store->authenticate(check_key_pair(folder / "n/north.pem", folder / "n/north.key").value(), {Role::kSite}));
  CHECK(store->authenticate(check_key_pair(folder / "r/ada.pem", folder / "r/ada.key").value(), {Role::kResearcher}));
  CHECK(check_certificate_host(text_of(folder / "c/main.pem"), "127.0.0.1"));

  const auto listed = nlohmann::json::parse(run({"ca", "list", "--ca", ca, "--json"}).value());
  REQUIRE(listed.at("certificates").size() == 3);
  CHECK(listed.at("certificates")[1].at("state") == "valid");
  REQUIRE(run({"ca", "revoke", "--ca", ca, "--role", "site", "--name", "north"}));
  CHECK_FALSE(store->authenticate(text_of(folder / "n/north.pem"), {Role::kSite}));
  CHECK(run({"ca", "list", "--ca", ca})->find("revoked  site  north") != std::string::npos);
}

TEST_CASE("an operator comes to be by the same commands as a researcher") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  const auto asked =
      run({"ca", "request", "--consortium", "lung", "--role", "operator", "--name", "olga", "--out", folder / "o"});
  REQUIRE(asked);
  CHECK_THAT(*asked, Contains("consilium ca sign olga.csr --role operator --name olga --fingerprint"));
  REQUIRE(run({"ca", "sign", folder / "o/olga.csr", "--ca", ca, "--role", "operator", "--name", "olga", "--out",
               folder / "o/olga.pem"}));
  using namespace consilium::pki;
  const auto store = TrustStore::open(folder / "ca/root.pem", folder / "ca/crl.pem").value();
  CHECK(store->authenticate(text_of(folder / "o/olga.pem"), {Role::kOperator}).value() ==
        Identity{"lung", Role::kOperator, "olga"});
  CHECK(store->authenticate(text_of(folder / "o/olga.pem"), {Role::kResearcher}).error().code ==
        ErrorCode::kPermissionDenied);
}

TEST_CASE("a list is renewed before it ends, and every command that writes one says its number and end") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  const auto made = run({"ca", "init", ca, "--name", "lung", "--list-days", "3"});
  REQUIRE(made);
  CHECK_THAT(*made, Contains("ends after 3 days") && Contains("consilium ca renew-list"));
  REQUIRE(run({"enroll", "--site", "north", "--consortium", "lung", "--out", folder / "n"}));
  const auto sign = [&] {
    return run({"ca", "sign", folder / "n/north.csr", "--ca", ca, "--role", "site", "--name", "north", "--out",
                folder / "n/north.pem"})
        .value();
  };
  CHECK_THAT(sign(), Contains("write a new one first: consilium ca renew-list --ca " + ca));
  const auto renewed = run({"ca", "renew-list", "--ca", ca, "--days", "30"});
  REQUIRE(renewed);
  CHECK_THAT(*renewed, Contains("Revocation list 2 ends 20") && Contains("crl.pem to the coordinator, the sites"));
  CHECK_THAT(sign(), !Contains("renew-list"));
  CHECK_THAT(run({"ca", "revoke", "--ca", ca, "--role", "site", "--name", "north"}).value(),
             Contains("Revocation list 3 ends 20"));
  CHECK_THAT(run({"ca", "renew-list", "--ca", ca, "--above", "41"}).value(), Contains("Revocation list 42 ends 20"));
  CHECK_THAT(run({"ca", "list", "--ca", ca}).value(), Contains("revocation list 42 ends 20"));
  const auto listed = nlohmann::json::parse(run({"ca", "list", "--ca", ca, "--json"}).value());
  CHECK(listed.at("revocation_list").at("number") == 42);
  CHECK(listed.at("revocation_list").at("not_after").get<std::string>().size() == 20);
  CHECK(run({"ca", "renew-list", "--ca", ca, "--days", "0"}).error().message.find("usage") == 0);
}

TEST_CASE("a revoked key is signed with --again alone, and a key in force for one name alone") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  REQUIRE(run({"enroll", "--site", "north", "--consortium", "lung", "--out", folder / "n"}));
  const auto sign = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"ca", "sign", folder / "n/north.csr", "--ca", ca, "--out", folder / "x.pem"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  REQUIRE(sign({"--role", "site", "--name", "north"}));
  CHECK(sign({"--role", "site", "--name", "south", "--again"}).error().code == ErrorCode::kAlreadyExists);
  REQUIRE(run({"ca", "revoke", "--ca", ca, "--role", "site", "--name", "north"}));
  const auto refused = sign({"--role", "site", "--name", "north"});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("site 'north'") && Contains("--again"));
  CHECK(sign({"--role", "site", "--name", "north", "--again"}));
}

TEST_CASE("a coordinator's certificate without a host is not signed, and the remedy is said") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  REQUIRE(
      run({"ca", "request", "--consortium", "lung", "--role", "coordinator", "--name", "main", "--out", folder / "c"}));
  const auto forgotten = run({"ca", "sign", folder / "c/main.csr", "--ca", ca, "--role", "coordinator", "--name",
                              "main", "--out", folder / "main.pem"});
  REQUIRE_FALSE(forgotten);
  CHECK_THAT(forgotten.error().message, Contains("--host fl.example.org"));
  CHECK_FALSE(std::filesystem::exists(folder / "main.pem"));
}

TEST_CASE("the roster lists the sites in force, as text, as JSON and in a file") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  for (const std::string site : {"south", "north"}) {
    REQUIRE(run({"enroll", "--site", site, "--consortium", "lung", "--out", folder / "keys"}));
    REQUIRE(run({"ca", "sign", folder / ("keys/" + site + ".csr"), "--ca", ca, "--role", "site", "--name", site,
                 "--out", folder / (site + ".pem")}));
  }
  REQUIRE(run({"ca", "roster", "--ca", ca, "--out", folder / "roster.yaml"}));
  CHECK(text_of(folder / "roster.yaml") == run({"ca", "roster", "--ca", ca}).value());
  const auto roster = nlohmann::json::parse(run({"ca", "roster", "--ca", ca, "--json"}).value());
  REQUIRE(roster.at("sites").size() == 2);
  CHECK(roster.at("sites")[0].at("name") == "north");
  CHECK(roster.at("sites")[0].at("fingerprint") ==
        consilium::pki::key_fingerprint(text_of(folder / "north.pem")).value());
}

TEST_CASE("a request with another key than the one announced is not signed") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  REQUIRE(run({"enroll", "--site", "north", "--consortium", "lung", "--out", folder / "n"}));
  const auto refused = run({"ca", "sign", folder / "n/north.csr", "--ca", ca, "--role", "site", "--name", "north",
                            "--fingerprint", std::string(64, '0'), "--out", folder / "north.pem"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("not the request") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "north.pem"));
}

TEST_CASE("wrong usage and wrong files are told apart from success, with the file named") {
  const TemporaryFolder folder;
  const std::string ca = folder / "ca";
  CHECK(run({"ca"}).error().message.find("usage") == 0);
  CHECK(run({"ca", "init", ca}).error().message.find("--name") != std::string::npos);
  CHECK(run({"ca", "init", ca, "--name", "lung", "--days", "0"}).error().message.find("usage") == 0);
  CHECK(run({"ca", "init", ca, "--name", "Lung Study"}).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(std::filesystem::exists(ca));
  CHECK(run({"ca", "list", "--ca", ca}).error().message.find("consilium ca init") != std::string::npos);
  REQUIRE(run({"ca", "init", ca, "--name", "lung"}));
  CHECK(
      run({"ca", "sign", folder / "absent.csr", "--ca", ca, "--role", "site", "--name", "x", "--out", folder / "x.pem"})
          .error()
          .message.find("absent.csr") != std::string::npos);
  CHECK(
      run({"ca", "sign", folder / "absent.csr", "--ca", ca, "--role", "boss", "--name", "x", "--out", folder / "x.pem"})
          .error()
          .message.find("usage") == 0);
  write_text(folder / "junk.csr", "junk");
  CHECK(run({"ca", "sign", folder / "junk.csr", "--ca", ca, "--role", "site", "--name", "x", "--out", folder / "x.pem"})
            .error()
            .message.find("junk.csr") != std::string::npos);
  REQUIRE(run({"enroll", "--site", "north", "--consortium", "lung", "--out", folder / "north"}));
  for (const auto& [file, told] : std::map<std::string, std::string>{
           {folder / "north/north.key", "found a private key, which stays where it was made: take the .csr"},
           {ca + "/root.pem", "found '-----BEGIN CERTIFICATE-----' first"},
           {folder / "junk.csr", "found something else"}}) {
    CHECK(run({"ca", "sign", file, "--ca", ca, "--role", "site", "--name", "x", "--out", folder / "x.pem"})
              .error()
              .message.find(told) != std::string::npos);
  }
  CHECK(run({"enroll", "--site", "../x", "--consortium", "lung", "--out", folder / "k"}).error().code ==
        ErrorCode::kInvalidArgument);
}
