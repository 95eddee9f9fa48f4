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

/// Settings for starting the site's trainer.
struct TrainerSettings {
  /// Program and arguments. If empty, the consilium-trainer next to the client's own program is used.
  std::vector<std::string> command;
  std::string device = "auto";  ///< "auto", "cpu" or "cuda:N"
  std::uint32_t threads = 1;
  std::uint64_t memory_limit_bytes = 0;  ///< 0: no limit
  std::filesystem::path scratch;  ///< folder for prepared images that exceed `loading.cache`; empty: none is used
  std::uint64_t scratch_bytes = std::uint64_t{64} << 30;  ///< largest size of that file
  bool operator==(const TrainerSettings&) const = default;
};

/// The folder of the client's configuration, and the configuration file that the client's other commands use unless
/// --config names another.
inline constexpr const char* kDefaultFolder = "/etc/consilium";
inline constexpr const char* kDefaultConfigFile = "/etc/consilium/client.yaml";

/// Settings from client.yaml (configs/client.yaml explains each key). Every path is absolute.
struct ClientConfig {
  std::string site;
  std::string coordinator;  ///< host:port
  /// Host name to check the coordinator's certificate against. If empty, the host name in `coordinator` is used.
  std::string server_name;
  std::optional<std::string> proxy;  ///< host:port of an HTTP CONNECT proxy
  config::TlsFiles tls;
  std::filesystem::path policy;  ///< policy.yaml; read_policy() reports whether it exists
  std::filesystem::path roster;  ///< the consortium's sites and their keys; empty: none, and no masked job is accepted
  std::filesystem::path state_dir;
  /// File of the 32 secret bytes that seed all randomness in the site's training. If empty, state_dir/site.secret is
  /// used.
  std::filesystem::path site_secret;
  TrainerSettings trainer;
  std::map<std::string, trainer::DataSource> datasets;  ///< by the name that jobs use
  std::map<std::string, std::string> atlases;           ///< files of public maps, by the name that jobs use
  config::LogConfig log;
  bool operator==(const ClientConfig&) const = default;
};

/// Returns the program and arguments of the site's trainer: those in the configuration, or the consilium-trainer next
/// to this program.
[[nodiscard]] std::vector<std::string> trainer_command(const ClientConfig& config);

/// Returns the keys that differ between `running` and `fresh` and that take effect only when the client restarts. The
/// other keys take effect while it runs: datasets, atlases and log.
[[nodiscard]] std::vector<std::string> keys_for_restart(const ClientConfig& running, const ClientConfig& fresh);

Result<ClientConfig> read_client_config(const std::filesystem::path& file);
/// @param folder  the folder that relative paths start from
Result<ClientConfig> parse_client_config(std::string_view text, std::string_view source,
                                         const std::filesystem::path& folder);

}  // namespace consilium::client
