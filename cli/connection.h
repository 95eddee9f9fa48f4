#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// The coordinator's address and the caller's credentials. They come from the command line, and the rest from a
/// configuration file.
struct Connection {
  std::string coordinator;  ///< host:port
  std::filesystem::path root, certificate, key;
  std::filesystem::path revocation_list{};  ///< crl.pem; empty: a revoked coordinator isn't detected
  std::filesystem::path list_memory{};      ///< folder that stores the newest list seen; empty: none is stored
};

/// The connection options on the command line.
struct ConnectionOptions {
  std::string config;  ///< file; "": $CONSILIUM_CONFIG, else ~/.config/consilium/config.yaml if it exists
  Connection given;    ///< empty members are taken from the file
};
void add_connection_options(CLI::App& command, ConnectionOptions& options);

/// Reads a file with the keys coordinator, root, certificate, key and revocation_list. None is required; paths are
/// relative to the file's folder.
Result<Connection> read_connection_file(const std::filesystem::path& file);

/// Combines the options and the file. Revocation lists are remembered in the file's folder, whether or not the file was
/// read. Fails if coordinator, root, certificate or key is still missing; the message says which, and where to put it.
Result<Connection> resolve_connection(const ConnectionOptions& options);

/// Returns a warning to show before connecting: there is no revocation list, it expires soon, or the newest list can't
/// be remembered. Fails if the list admits no coordinator.
/// @param clock  UTC seconds
Result<std::optional<std::string>> revocation_warning(const Connection& connection,
                                                      const std::function<std::time_t()>& clock);

}  // namespace consilium::cli
