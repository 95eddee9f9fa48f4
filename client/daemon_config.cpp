#include "client/daemon_config.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "client/data_description.h"
#include "common/config/scalars.h"
#include "common/config/section.h"

namespace consilium::client {
namespace {

using config::Section;
using config::Value;

constexpr std::size_t kMaxDatasets = 1000;

bool is_device(std::string_view text) {
  if (text == "auto" || text == "cpu") return true;
  if (!text.starts_with("cuda:")) return false;
  const auto index = config::to_integer(text.substr(5));
  return index && *index < 64;
}

/// Reads a program, or a list of a program and its arguments. A program with a slash is a path relative to the
/// configuration file's folder.
Result<std::vector<std::string>> read_command(const Value& value) {
  std::vector<std::string> command;
  if (!value.present()) return command;
  std::vector<Value> words{value};
  if (value.is_list()) {
    CONSILIUM_ASSIGN(words, value.items(256));
    if (words.empty()) return fail(value.expected("a program and its arguments"));
  }
  for (const Value& word : words) {
    CONSILIUM_ASSIGN(std::string text, word.text(4096));
    if (command.empty() && text.find('/') != std::string::npos) {
      CONSILIUM_ASSIGN(const std::filesystem::path program, word.file());
      text = program.string();
    }
    command.push_back(std::move(text));
  }
  return command;
}

Result<TrainerSettings> read_trainer(const Value& value) {
  TrainerSettings trainer;
  Section section(value, {}, {"command", "device", "threads", "memory_limit", "scratch", "scratch_size"});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(trainer.command, read_command(section.at("command")));
  section.text("device", trainer.device);
  if (section.ok() && !is_device(trainer.device))
    section.refuse(section.at("device").expected("auto, cpu or cuda:N, e.g. cuda:0"));
  section.integer("threads", trainer.threads, {1, 1024});
  section.size("memory_limit", trainer.memory_limit_bytes);
  section.file("scratch", trainer.scratch);
  section.size("scratch_size", trainer.scratch_bytes);
  if (section.ok() && section.has("scratch_size") && trainer.scratch.empty())
    section.refuse(section.at("scratch_size").problem("it limits the file in trainer.scratch, which names no folder"));
  CONSILIUM_TRY(section.result());
  return trainer;
}

Result<std::map<std::string, trainer::DataSource>> read_datasets(const Value& value) {
  CONSILIUM_ASSIGN(const auto pairs, value.pairs(kMaxDatasets));
  std::map<std::string, trainer::DataSource> datasets;
  for (const auto& [name, entry] : pairs) {
    if (!config::is_name(name)) return fail(entry.problem("not a name; expected " + std::string(config::kNameRule)));
    CONSILIUM_ASSIGN(trainer::DataSource source, read_data_description(entry));
    datasets.emplace(name, std::move(source));
  }
  return datasets;
}

Result<std::map<std::string, std::string>> read_atlases(const Value& value) {
  std::map<std::string, std::string> atlases;
  if (!value.present()) return atlases;
  CONSILIUM_ASSIGN(const auto pairs, value.pairs(kMaxDatasets));
  for (const auto& [name, entry] : pairs) {
    if (!config::is_name(name)) return fail(entry.problem("not a name; expected " + std::string(config::kNameRule)));
    CONSILIUM_ASSIGN(const std::filesystem::path file, entry.file());
    atlases.emplace(name, file.string());
  }
  return atlases;
}

Result<ClientConfig> from_root(const Value& root) {
  ClientConfig config;
  Section section(root, {"site", "coordinator", "tls", "policy", "state_dir", "datasets"},
                  {"server_name", "proxy", "roster", "site_secret", "trainer", "atlases", "log"});
  section.name("site", config.site);
  section.text("server_name", config.server_name, 253);
  section.file("policy", config.policy);
  section.file("roster", config.roster);
  section.file("state_dir", config.state_dir);
  section.file("site_secret", config.site_secret);
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(config.coordinator, config::read_address(section.at("coordinator"), 1));
  if (section.has("proxy")) {
    CONSILIUM_ASSIGN(config.proxy, config::read_address(section.at("proxy"), 1));
  }
  CONSILIUM_ASSIGN(config.tls, config::read_tls(section.at("tls")));
  CONSILIUM_ASSIGN(config.trainer, read_trainer(section.at("trainer")));
  CONSILIUM_ASSIGN(config.datasets, read_datasets(section.at("datasets")));
  CONSILIUM_ASSIGN(config.atlases, read_atlases(section.at("atlases")));
  CONSILIUM_ASSIGN(config.log, config::read_log(section.at("log")));
  return config;
}

}  // namespace

std::vector<std::string> trainer_command(const ClientConfig& config) {
  if (!config.trainer.command.empty()) return config.trainer.command;
  std::error_code problem;
  return {(std::filesystem::read_symlink("/proc/self/exe", problem).parent_path() / "consilium-trainer").string()};
}

std::vector<std::string> keys_for_restart(const ClientConfig& running, const ClientConfig& fresh) {
  const std::pair<const char*, bool> keys[] = {
      {"site", running.site != fresh.site},
      {"coordinator", running.coordinator != fresh.coordinator},
      {"server_name", running.server_name != fresh.server_name},
      {"proxy", running.proxy != fresh.proxy},
      {"tls", running.tls != fresh.tls},
      {"policy", running.policy != fresh.policy},
      {"roster", running.roster != fresh.roster},
      {"state_dir", running.state_dir != fresh.state_dir},
      {"site_secret", running.site_secret != fresh.site_secret},
      {"trainer", running.trainer != fresh.trainer},
  };
  std::vector<std::string> changed;
  for (const auto& [key, differs] : keys) {
    if (differs) changed.emplace_back(key);
  }
  return changed;
}

Result<ClientConfig> read_client_config(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    return fail(ErrorCode::kNotFound, file.string() +
                                          ": there is no such file; name the client's configuration with --config FILE "
                                          "(configs/client.yaml is a commented example)");
  }
  CONSILIUM_ASSIGN(const Value root, config::read(file));
  return from_root(root);
}

Result<ClientConfig> parse_client_config(std::string_view text, std::string_view source,
                                         const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(const Value root, config::parse(text, source, folder));
  return from_root(root);
}

}  // namespace consilium::client
