#include "cli/connection.h"

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "common/pki/authority.h"
#include "tests/catch.h"

namespace consilium::cli {
namespace {

using Catch::Contains;

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "connection-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
    ::unsetenv("CONSILIUM_CONFIG");
    ::setenv("XDG_CONFIG_HOME", (path / "xdg").c_str(), 1);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path write(const std::filesystem::path& name, const std::string& text) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
    return path / name;
  }
  std::filesystem::path path;
};

constexpr const char* kWhole =
    "coordinator: example.org:8470\nroot: root.pem\ncertificate: ada.pem\nkey: /keys/ada.key\n"
    "revocation_list: crl.pem\n";

TEST_CASE("a connection comes from the file that --config names, its paths relative to it") {
  const Folder folder;
  ConnectionOptions options;
  options.config = folder.write("a.yaml", kWhole);
  const auto connection = resolve_connection(options);
  REQUIRE(connection);
  CHECK(connection->coordinator == "example.org:8470");
  CHECK(connection->root == folder.path / "root.pem");
  CHECK(connection->key == "/keys/ada.key");
  CHECK(connection->revocation_list == folder.path / "crl.pem");
  CHECK(connection->list_memory == folder.path);
  options.given.revocation_list = "/other/crl.pem";
  CHECK(resolve_connection(options)->revocation_list == "/other/crl.pem");
}

TEST_CASE("what a connection lacks is named, and where it could stand, without a home too") {
  const Folder folder;
  CHECK(resolve_connection({}).error().message ==
        "the coordinator is missing; give --coordinator, or the key 'coordinator' in " +
            (folder.path / "xdg/consilium/config.yaml").string());
  const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
  ::unsetenv("XDG_CONFIG_HOME");
  ::unsetenv("HOME");
  CHECK(resolve_connection({}).error().message ==
        "the coordinator is missing; give --coordinator, or the key 'coordinator' in a file that --config names");
  ::setenv("HOME", home.c_str(), 1);
}

TEST_CASE("a connection without a revocation list is warned of, with the remedy") {
  const Folder folder;
  ConnectionOptions options;
  options.given = {"example.org:1", "root.pem", "ada.pem", "ada.key"};
  const auto connection = resolve_connection(options);
  REQUIRE(connection);
  CHECK(connection->list_memory == folder.path / "xdg/consilium");
  const auto warning = revocation_warning(*connection, [] { return std::time(nullptr); });
  REQUIRE(warning);
  REQUIRE(warning->has_value());
  CHECK_THAT(**warning, Contains("without a revocation list") && Contains("--revocation-list"));
}

TEST_CASE("a list that is near its end is warned of; one that ended, or is older than the last, ends the command") {
  const Folder folder;
  constexpr auto kDay = std::chrono::days{1};
  auto authority = pki::Authority::create(folder.path / "ca", "lung", 100 * kDay).value();
  Connection connection;
  connection.root = authority.root_certificate();
  connection.revocation_list = folder.path / "crl.pem";
  connection.list_memory = folder.path / "memory";
  std::filesystem::copy_file(authority.revocation_list(), connection.revocation_list);
  const std::time_t end = authority.list_state().value().end;
  const auto warned_at = [&](std::time_t now) { return revocation_warning(connection, [now] { return now; }); };

  CHECK_FALSE(warned_at(end - 8 * 86400).value());
  CHECK_THAT(warned_at(end - 6 * 86400).value().value(), Contains("crl.pem: the revocation list ends"));
  const auto ended = warned_at(end);
  REQUIRE_FALSE(ended);
  CHECK_THAT(ended.error().message, Contains("crl.pem: the revocation list ended") && Contains("renew-list"));

  REQUIRE(authority.renew_list({}));
  connection.revocation_list = authority.revocation_list();
  CHECK_FALSE(warned_at(end - 8 * 86400).value());
  connection.revocation_list = folder.path / "crl.pem";
  const auto older = warned_at(end - 8 * 86400);
  REQUIRE_FALSE(older);
  CHECK_THAT(older.error().message, Contains("crl.pem: this is revocation list 1, older than list 2"));

  connection.revocation_list = authority.revocation_list();
  connection.list_memory.clear();
  CHECK_THAT(warned_at(end - 8 * 86400).value().value(), Contains("--config"));
}

TEST_CASE("the command line wins over the file, the environment's file over the home folder's") {
  const Folder folder;
  folder.write("xdg/consilium/config.yaml", kWhole);
  ConnectionOptions options;
  CHECK(resolve_connection(options)->coordinator == "example.org:8470");
  ::setenv("CONSILIUM_CONFIG",
           folder.write("b.yaml", "coordinator: other.org:1\nroot: r\ncertificate: c\nkey: k\n").c_str(), 1);
  CHECK(resolve_connection(options)->coordinator == "other.org:1");
  options.given.coordinator = "third.org:2";
  CHECK(resolve_connection(options)->coordinator == "third.org:2");
  CHECK(resolve_connection(options)->certificate == folder.path / "c");
  ::unsetenv("CONSILIUM_CONFIG");
}

TEST_CASE("options that are complete need no file") {
  const Folder folder;
  ConnectionOptions options;
  options.given = {"example.org:1", "root.pem", "ada.pem", "ada.key"};
  CHECK(resolve_connection(options));
}

TEST_CASE("what is missing is named, with the file that it could stand in") {
  const Folder folder;
  ConnectionOptions options;
  options.config = folder.write("a.yaml", "coordinator: example.org:8470\nroot: root.pem\nkey: ada.key\n");
  const auto missing = resolve_connection(options);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("--certificate") != std::string::npos);
  CHECK(missing.error().message.find("a.yaml") != std::string::npos);
  options.config = folder.path / "none.yaml";
  CHECK_FALSE(resolve_connection(options));
  CHECK_FALSE(resolve_connection({}));
}

TEST_CASE("a configuration that isn't one is refused with its key") {
  const Folder folder;
  for (const char* text : {"coordinator: nowhere\n", "coordinator: [a]\n", "coordinator: a:99999\n",
                           "cordinator: a:1\n", "- a\n", "root: {a: b}\n", "coordinator: a:0\n"}) {
    ConnectionOptions options;
    options.given = {"", "root.pem", "ada.pem", "ada.key"};
    options.config = folder.write("bad.yaml", text);
    const auto refused = resolve_connection(options);
    INFO(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("bad.yaml") != std::string::npos);
  }
}

}  // namespace
}  // namespace consilium::cli
