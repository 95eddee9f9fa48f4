#include "client/daemon_config.h"

#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/unit/common/config/wrong_values.h"

namespace consilium::client {
namespace {

const config::GoodFile kFile{"client.yaml", R"(site: north
coordinator: c.example.org:8470
server_name: coordinator
proxy: proxy:3128
tls: {root: root.pem, certificate: north.pem, key: /pki/north.key}
policy: policy.yaml
roster: roster.yaml
state_dir: state
trainer: {command: [bin/trainer, --verbose], device: 'cuda:1', threads: 2, memory_limit: 4GiB, scratch: cache, scratch_size: 20GiB}
datasets:
  chest: {type: npz, path: chest.npz}
  fashion: {type: idx, path: /data/fashion}
log: {level: warning, format: json}
)"};

Result<ClientConfig> parse(const std::string& text) { return parse_client_config(text, kFile.name, "/etc/consilium"); }

TEST_CASE("a client's configuration has absolute paths and every value") {
  const auto config = parse(kFile.text);
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  CHECK(config->site == "north");
  CHECK(config->coordinator == "c.example.org:8470");
  CHECK(config->server_name == "coordinator");
  CHECK(config->proxy == "proxy:3128");
  CHECK(config->tls == config::TlsFiles{"/etc/consilium/root.pem", "/etc/consilium/north.pem", "/pki/north.key", ""});
  CHECK(config->policy == "/etc/consilium/policy.yaml");
  CHECK(config->roster == "/etc/consilium/roster.yaml");
  CHECK(config->state_dir == "/etc/consilium/state");
  CHECK(config->trainer ==
        TrainerSettings{
            {"/etc/consilium/bin/trainer", "--verbose"}, "cuda:1", 2, 4ULL << 30, "/etc/consilium/cache", 20ULL << 30});
  REQUIRE(config->datasets.size() == 2);
  CHECK(config->datasets.at("chest") == trainer::DataSource{"npz", "/etc/consilium/chest.npz"});
  CHECK(config->datasets.at("fashion") == trainer::DataSource{"idx", "/data/fashion"});
  CHECK(config->log == config::LogConfig{config::LogLevel::kWarning, config::LogFormat::kJson});
}

TEST_CASE("what a client's configuration leaves out has its default") {
  const auto config = parse(
      "{site: n, coordinator: 'h:1', tls: {root: r, certificate: c, key: k}, policy: p, state_dir: s, datasets: {}}");
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  CHECK(config->trainer == TrainerSettings{});
  CHECK(config->server_name.empty());
  CHECK_FALSE(config->proxy);
  CHECK(config->roster.empty());
  CHECK(config->datasets.empty());
}

TEST_CASE("a trainer's program may be a word, a path or a list") {
  CHECK(parse(kFile.with("[bin/trainer, --verbose]", "python3"))->trainer.command ==
        std::vector<std::string>{"python3"});
  CHECK(parse(kFile.with("[bin/trainer, --verbose]", "/opt/t"))->trainer.command == std::vector<std::string>{"/opt/t"});
  CHECK(parse(kFile.with("[bin/trainer, --verbose]", "[python3, t/train.py]"))->trainer.command ==
        std::vector<std::string>{"python3", "t/train.py"});
}

TEST_CASE("the commented example of a client's configuration is accepted") {
  const auto config = read_client_config(CONSILIUM_SOURCE_DIR "/configs/client.yaml");
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  CHECK(config->site == "north");
  CHECK(config->policy == CONSILIUM_SOURCE_DIR "/configs/policy.yaml");
  CHECK(config->datasets.count("chest") == 1);
}

TEST_CASE("a data set's description is read with its sections, and an error in them names file, key and line") {
  const std::string described =
      kFile.with("  chest: {type: npz, path: chest.npz}\n",
                 "  skin:\n    type: table\n    path: skin\n    labels: {table: labels.csv, class: diagnosis, classes: "
                 "[no, 'yes']}\n"
                 "    split: {patient: who, shares: [0.8, 0.1, 0.1]}\n    preprocess:\n      size: [64, 64]\n"
                 "    loading: {cache: 2GiB, threads: 4}\n");
  const auto config = parse(described);
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  const trainer::DataSource& skin = config->datasets.at("skin");
  CHECK(skin.path == "/etc/consilium/skin");
  CHECK(skin.labels.classes == std::vector<std::string>{"no", "yes"});
  CHECK(skin.preprocess.size == std::vector<std::int64_t>{64, 64});
  CHECK(skin.loading.cache_bytes == 2ULL << 30);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string text = described;
    REQUIRE(text.find(from) != std::string::npos);
    return parse(text.replace(text.find(from), from.size(), to)).error().message;
  };
  CHECK(refused("[64, 64]", "[64, none]") ==
        "client.yaml: datasets.skin.preprocess.size[1]: expected an integer 1 to 65536, found 'none' (line 17)");
  CHECK(refused("class:", "clas:") ==
        "client.yaml: datasets.skin.labels.clas: unknown key, did you mean 'class'? (line 14)");
  CHECK(refused("cache: 2GiB", "cache: 2").find("datasets.skin.loading.cache: expected") != std::string::npos);
}

TEST_CASE("a wrong value in a client's configuration is refused, and the error names its key") {
  const config::WrongValues wrong{
      {"site: north", {"North", "no_rth", "''", "[a]", "{}", "-n", "../n", "null"}},
      {"coordinator: c.example.org:8470",
       {"c.example.org", "8470", "c:0", "c:65536", "c:x", "https://c:1", "''", "[a]", "{}", "null"}},
      {"server_name: coordinator", {"''", "[a]", "{}"}},
      {"proxy: proxy:3128", {"proxy", "proxy:0", "http://proxy:3128", "''", "[a]", "{}"}},
      {"root: root.pem", {"''", "[a]", "{}", "null"}},
      {"certificate: north.pem", {"''", "[a]", "{}", "null"}},
      {"key: /pki/north.key", {"''", "[a]", "{}", "null"}},
      {"policy: policy.yaml", {"''", "[a]", "{}", "null"}},
      {"roster: roster.yaml", {"''", "[a]", "{}"}},
      {"state_dir: state", {"''", "[a]", "{}", "null"}},
      {"command: [bin/trainer, --verbose]", {"[]", "''", "[[a]]", "{}", "['']", "[a, {}]", "[null]"}},
      {"device: 'cuda:1'", {"gpu", "cuda", "'cuda:'", "'cuda:-1'", "'cuda:x'", "'cuda:64'", "CPU", "[cpu]", "{}"}},
      {"threads: 2", {"0", "-1", "1025", "1.5", "two", "'2'", "[2]", "{}"}},
      {"memory_limit: 4GiB", {"4", "4G", "-1GiB", "lots", "[4GiB]", "{}", "99999999999TiB"}},
      {"scratch: cache", {"''", "[a]", "{}"}},
      {"scratch_size: 20GiB", {"4", "lots", "[4GiB]", "{}"}},
      {"type: npz", {"parquet", "1", "[npz]", "{}", "null"}},
      {"path: chest.npz", {"''", "[a]", "{}", "null"}},
      {"level: warning", {"loud", "1", "[info]", "{}"}},
      {"format: json", {"xml", "1", "[text]", "{}"}}};
  config::check_refused(kFile, wrong, parse);
  CHECK(
      parse(kFile.with("  chest:", "  Chest:")).error().message.starts_with("client.yaml: datasets.Chest: not a name"));
  CHECK(parse(kFile.with("type: npz", "type: npz, typ: x")).error().message ==
        "client.yaml: datasets.chest.typ: unknown key; did you mean 'type'? (line 11)");
  CHECK(parse(kFile.with("device: 'cuda:1'", "device: gpu")).error().message ==
        "client.yaml: trainer.device: expected auto, cpu or cuda:N, e.g. cuda:0, found 'gpu' (line 9)");
  CHECK(parse(kFile.with("scratch: cache, ", "")).error().message ==
        "client.yaml: trainer.scratch_size: it limits the file in trainer.scratch, which names no folder (line 9)");
  CHECK(parse(kFile.with("proxy:", "prxy:")).error().message ==
        "client.yaml: prxy: unknown key; did you mean 'proxy'? (line 4)");
  for (const char* key :
       {"site: north\n", "coordinator: c.example.org:8470\n", "policy: policy.yaml\n", "state_dir: state\n"}) {
    CHECK(parse(kFile.with(key, "")).error().message.find("this key is missing") != std::string::npos);
  }
}

TEST_CASE("a client's configuration cut anywhere is refused or complete") {
  for (std::size_t length = 0; length < kFile.text.find("log:"); ++length) {
    const auto config = parse(kFile.text.substr(0, length));
    INFO(kFile.text.substr(0, length));
    if (config) CHECK(config->datasets.count("chest") == 1);
  }
}

TEST_CASE("data sets, atlases and the log are taken over while the client runs, and other keys are named") {
  const ClientConfig running = parse(kFile.text).value();
  const auto after = [&](const std::string& from, const std::string& to) {
    return keys_for_restart(running, parse(kFile.with(from, to)).value());
  };
  using Keys = std::vector<std::string>;
  CHECK(after("chest.npz", "other.npz").empty());
  CHECK(after("  fashion: {type: idx, path: /data/fashion}\n", "").empty());
  CHECK(after("level: warning, format: json", "level: debug, format: text").empty());
  CHECK(after("log:", "atlases: {map: map.nii}\nlog:").empty());
  CHECK(after("site: north", "site: south") == Keys{"site"});
  CHECK(after("c.example.org:8470", "d.example.org:8470") == Keys{"coordinator"});
  CHECK(after("server_name: coordinator", "server_name: other") == Keys{"server_name"});
  CHECK(after("proxy: proxy:3128\n", "") == Keys{"proxy"});
  CHECK(after("key: /pki/north.key", "key: /pki/new.key") == Keys{"tls"});
  CHECK(after("policy: policy.yaml", "policy: p.yaml") == Keys{"policy"});
  CHECK(after("roster: roster.yaml", "roster: r.yaml") == Keys{"roster"});
  CHECK(after("state_dir: state", "state_dir: s") == Keys{"state_dir"});
  CHECK(after("state_dir: state", "site_secret: s\nstate_dir: state") == Keys{"site_secret"});
  CHECK(after("threads: 2", "threads: 3") == Keys{"trainer"});
  CHECK(keys_for_restart(running, running).empty());
}

TEST_CASE("a password in the proxy's address is refused and not shown") {
  const auto config = parse(kFile.with("proxy: proxy:3128", "proxy: 'anna:s3cret@proxy:3128'"));
  REQUIRE_FALSE(config);
  CHECK(config.error().message ==
        "client.yaml: proxy: expected host:port, without a user and password before it (line 4)");
}

}  // namespace
}  // namespace consilium::client
