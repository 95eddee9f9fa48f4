#include "cli/connection.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <system_error>

#include "common/config/daemon_sections.h"
#include "common/config/section.h"
#include "common/pki/trust.h"

namespace consilium::cli {
namespace {

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

/// Returns the file that is read if the command line names none.
std::filesystem::path default_file() {
  if (const char* file = environment("CONSILIUM_CONFIG")) return file;
  if (const char* folder = environment("XDG_CONFIG_HOME"))
    return std::filesystem::path(folder) / "consilium/config.yaml";
  const char* home = environment("HOME");
  return home != nullptr ? std::filesystem::path(home) / ".config/consilium/config.yaml" : std::filesystem::path();
}

}  // namespace

void add_connection_options(CLI::App& command, ConnectionOptions& options) {
  const char* group = "Coordinator (default: from $CONSILIUM_CONFIG or ~/.config/consilium/config.yaml)";
  command.add_option("--coordinator", options.given.coordinator, "host:port")->group(group);
  command.add_option("--root", options.given.root, "the consortium's root certificate, PEM")->group(group);
  command.add_option("--certificate", options.given.certificate, "your certificate, PEM")->group(group);
  command.add_option("--key", options.given.key, "your key, PEM, readable only by you")->group(group);
  command.add_option("--revocation-list", options.given.revocation_list, "the authority's newest crl.pem")
      ->group(group);
  command
      .add_option("--config", options.config, "file with the keys coordinator, root, certificate, key, revocation_list")
      ->group(group);
}

Result<Connection> read_connection_file(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const config::Value root, config::read(file));
  Connection connection;
  config::Section section(root, {}, {"coordinator", "root", "certificate", "key", "revocation_list"});
  CONSILIUM_TRY(section.result());
  if (section.has("coordinator")) {
    CONSILIUM_ASSIGN(connection.coordinator, config::read_address(section.at("coordinator"), 1));
  }
  section.file("root", connection.root);
  section.file("certificate", connection.certificate);
  section.file("key", connection.key);
  section.file("revocation_list", connection.revocation_list);
  CONSILIUM_TRY(section.result());
  return connection;
}

Result<Connection> resolve_connection(const ConnectionOptions& options) {
  Connection connection = options.given;
  const bool complete = !connection.coordinator.empty() && !connection.root.empty() &&
                        !connection.certificate.empty() && !connection.key.empty() &&
                        !connection.revocation_list.empty();
  const std::filesystem::path file = options.config.empty() ? default_file() : std::filesystem::path(options.config);
  if (!file.empty()) connection.list_memory = std::filesystem::absolute(file).parent_path();
  std::error_code ignored;
  const bool named = !options.config.empty() || environment("CONSILIUM_CONFIG") != nullptr;
  if (!complete && (named || std::filesystem::exists(file, ignored))) {
    CONSILIUM_ASSIGN(const Connection read, read_connection_file(file));
    if (connection.coordinator.empty()) connection.coordinator = read.coordinator;
    if (connection.root.empty()) connection.root = read.root;
    if (connection.certificate.empty()) connection.certificate = read.certificate;
    if (connection.key.empty()) connection.key = read.key;
    if (connection.revocation_list.empty()) connection.revocation_list = read.revocation_list;
  }
  const std::pair<const char*, bool> parts[] = {{"coordinator", connection.coordinator.empty()},
                                                {"root", connection.root.empty()},
                                                {"certificate", connection.certificate.empty()},
                                                {"key", connection.key.empty()}};
  const std::string where = file.empty() ? "a file that --config names" : file.string();
  for (const auto& [name, missing] : parts) {
    if (missing)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the {0} is missing; give --{0}, or the key '{0}' in {1}", name, where));
  }
  return connection;
}

Result<std::optional<std::string>> revocation_warning(const Connection& connection,
                                                      const std::function<std::time_t()>& clock) {
  if (connection.revocation_list.empty()) {
    return "without a revocation list, a coordinator whose key was stolen isn't noticed. Get crl.pem from the "
           "consortium's certificate authority, and give it as --revocation-list, or as the key 'revocation_list' in "
           "the configuration file";
  }
  CONSILIUM_ASSIGN(const auto trust,
                   pki::TrustStore::open(connection.root, connection.revocation_list, {connection.list_memory, clock}));
  if (auto warning = trust->warning_due()) return warning;
  if (connection.list_memory.empty()) {
    return "an outdated revocation list isn't noticed: the newest is remembered in the folder of the configuration "
           "file, but that folder isn't known; set HOME, or give --config";
  }
  return std::nullopt;
}

}  // namespace consilium::cli
