#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/protocol/messages.h"
#include "common/config/daemon_sections.h"
#include "common/error/error.h"

namespace consilium::client {

/// How the site's trainer is started.
struct TrainerSettings {
  std::vector<std::string>
      command;                  ///< program and arguments; empty: the consilium-trainer beside the client's own program
  std::string device = "auto";  ///< "auto", "cpu" or "cuda:N"
  std::uint32_t threads = 1;
  std::uint64_t memory_limit_bytes = 0;  ///< 0: none
  std::filesystem::path scratch;         ///< folder of a file for prepared images beyond `loading.cache`; empty: none
  std::uint64_t scratch_bytes = std::uint64_t{64} << 30;  ///< that it may take
  bool operator==(const TrainerSettings&) const = default;
};

/// Where the commands beside the daemon look for its configuration, unless --config says otherwise.
inline constexpr const char* kDefaultConfigFile = "/etc/consilium/client.yaml";

/// client.yaml (configs/client.yaml says what each key means). Every path is absolute.
struct ClientConfig {
  std::string site;
  std::string coordinator;  ///< host:port
  std::string
      server_name;  ///< host name that the coordinator's certificate is checked against; "": that of `coordinator`
  std::optional<std::string> proxy;  ///< host:port of an HTTP CONNECT proxy
  config::TlsFiles tls;
  std::filesystem::path policy;  ///< policy.yaml; whether it is there is the policy's to say
  std::filesystem::path roster;  ///< the consortium's sites and their keys; empty: none, and no masked job is accepted
  std::filesystem::path state_dir;
  /// 32 secret bytes from which all randomness of the site's training follows; empty: state_dir/site.secret.
  std::filesystem::path site_secret;
  TrainerSettings trainer;
  std::map<std::string, trainer::DataSource> datasets;  ///< by the name that jobs give
  std::map<std::string, std::string> atlases;           ///< files of public maps, by the name that jobs give
  config::LogConfig log;
  bool operator==(const ClientConfig&) const = default;
};

/// Returns program and arguments of the site's trainer: those of the configuration, or the consilium-trainer beside
/// this program.
[[nodiscard]] std::vector<std::string> trainer_command(const ClientConfig& config);

Result<ClientConfig> read_client_config(const std::filesystem::path& file);
/// @param folder  where relative paths start
Result<ClientConfig> parse_client_config(std::string_view text, std::string_view source,
                                         const std::filesystem::path& folder);

}  // namespace consilium::client
