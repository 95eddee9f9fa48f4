#include "coordinator/daemon_config.h"

#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/unit/common/config/wrong_values.h"

namespace consilium::coordinator {
namespace {

const config::GoodFile kFile{"coordinator.yaml", R"(listen: 127.0.0.1:0
state_dir: state
tls: {root: root.pem, certificate: /pki/c.pem, key: c.key, revocation_list: crl.pem}
max_running_jobs: 2
quotas: {jobs: 3, running: 2, weights: 5GiB}
log: {level: debug, format: json}
)"};

Result<CoordinatorConfig> parse(const std::string& text) {
  return parse_coordinator_config(text, kFile.name, "/etc/consilium");
}

TEST_CASE("a coordinator's configuration has absolute paths and every value") {
  const auto config = parse(kFile.text);
  REQUIRE(config);
  CHECK(config->listen == "127.0.0.1:0");
  CHECK(config->state_dir == "/etc/consilium/state");
  CHECK(config->tls ==
        config::TlsFiles{"/etc/consilium/root.pem", "/pki/c.pem", "/etc/consilium/c.key", "/etc/consilium/crl.pem"});
  CHECK(config->max_running_jobs == 2);
  CHECK(config->quotas == admission::Quotas{3, 2, std::uint64_t{5} << 30});
  CHECK(config->log == config::LogConfig{config::LogLevel::kDebug, config::LogFormat::kJson});
}

TEST_CASE("what a coordinator's configuration leaves out has its default") {
  const auto config = parse("{state_dir: /s, tls: {root: r, certificate: c, key: k}}");
  REQUIRE(config);
  CHECK(config->listen == "0.0.0.0:8470");
  CHECK(config->max_running_jobs == 1);
  CHECK(config->quotas == admission::Quotas{});
  CHECK(config->tls.revocation_list.empty());
  CHECK(config->log == config::LogConfig{});
}

TEST_CASE("the commented example of a coordinator's configuration is accepted") {
  const auto config = read_coordinator_config(CONSILIUM_SOURCE_DIR "/configs/coordinator.yaml");
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  CHECK(config->tls.root == CONSILIUM_SOURCE_DIR "/configs/root.pem");
  CHECK(config->state_dir.is_absolute());
}

TEST_CASE("a wrong value in a coordinator's configuration is refused, and the error names its key") {
  const config::WrongValues wrong{{"listen: 127.0.0.1:0",
                                   {"8470", ":1", "'host:'", "host:x", "host:65536", "host:-1", "ho st:1", "http://h:1",
                                    "'[::1'", "'[::1]'", "'[]:1'", "'[zz]:1'", "''", "[a]", "{}"}},
                                  {"state_dir: state", {"''", "[a]", "{}", "\"a\\nb\"", "null"}},
                                  {"max_running_jobs: 2", {"0", "-1", "65", "1.5", "many", "'2'", "[2]", "{}"}},
                                  {"jobs: 3", {"0", "-1", "10001", "many", "[1]"}},
                                  {"running: 2,", {"0,", "65,", "all,"}},
                                  {"weights: 5GiB", {"-1", "lots", "[1]"}},
                                  {"root: root.pem", {"''", "[a]", "{}", "null"}},
                                  {"certificate: /pki/c.pem", {"''", "[a]", "{}", "null"}},
                                  {"key: c.key", {"''", "[a]", "{}", "null"}},
                                  {"revocation_list: crl.pem", {"''", "[a]", "{}"}},
                                  {"level: debug", {"loud", "1", "[debug]", "{}", "DEBUG"}},
                                  {"format: json", {"xml", "1", "[json]", "{}"}}};
  config::check_refused(kFile, wrong, parse);
  CHECK(parse(kFile.with("max_running_jobs", "max_runing_jobs")).error().message ==
        "coordinator.yaml: max_runing_jobs: unknown key; did you mean 'max_running_jobs'? (line 4)");
  CHECK(parse(kFile.with("root:", "rot:")).error().message ==
        "coordinator.yaml: tls.rot: unknown key; did you mean 'root'? (line 3)");
  CHECK(parse(kFile.with("state_dir: state\n", "")).error().message ==
        "coordinator.yaml: state_dir: this key is missing (line 1)");
  for (const char* text : {"", "[]", "x", "{}", "tls: 1\nstate_dir: s\n",
                           "log: [1]\nstate_dir: s\ntls: {root: r, certificate: c, key: k}\n"}) {
    CHECK_FALSE(parse(text));
  }
  CHECK(parse(kFile.with("127.0.0.1:0", "'[::1]:8470'"))->listen == "[::1]:8470");
}

TEST_CASE("a coordinator's configuration that is not there is an error with its path") {
  const auto config = read_coordinator_config("/nonexistent/coordinator.yaml");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == ErrorCode::kNotFound);
  CHECK(config.error().message.find("/nonexistent/coordinator.yaml") != std::string::npos);
}

TEST_CASE("limits of jobs and the log are taken over while the coordinator runs, and other keys are named") {
  const CoordinatorConfig running = parse(kFile.text).value();
  CoordinatorConfig fresh = running;
  fresh.max_running_jobs += 1;
  fresh.quotas.jobs += 1;
  fresh.quotas.running += 1;
  fresh.log.level = config::LogLevel::kError;
  CHECK(keys_for_restart(running, fresh).empty());
  fresh.listen = "127.0.0.1:1";
  fresh.state_dir = "/elsewhere";
  fresh.tls.key = "/elsewhere/c.key";
  fresh.quotas.weights += 1;
  CHECK(keys_for_restart(running, fresh) == std::vector<std::string>{"listen", "state_dir", "tls", "quotas.weights"});
}

}  // namespace
}  // namespace consilium::coordinator
