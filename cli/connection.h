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

/// Where the coordinator is, and who asks: what the command line gives, the rest from a configuration file.
struct Connection {
  std::string coordinator;  ///< host:port
  std::filesystem::path root, certificate, key;
  std::filesystem::path revocation_list{};  ///< crl.pem; empty: a revoked coordinator isn't noticed
  std::filesystem::path list_memory{};  ///< folder that remembers the newest list seen; empty: nothing is remembered
};

/// What the command line says of it.
struct ConnectionOptions {
  std::string config;  ///< file; "": $CONSILIUM_CONFIG, else ~/.config/consilium/config.yaml where it is there
  Connection given;    ///< empty members come from the file
};
void add_connection_options(CLI::App& command, ConnectionOptions& options);

/// Reads a file of the keys coordinator, root, certificate, key, revocation_list (none is required; paths start at the
/// file's folder).
Result<Connection> read_connection_file(const std::filesystem::path& file);

/// Puts options and file together; the file's folder, read or not, is the memory of revocation lists. Fails where one
/// of the four is still missing, saying which and where to put it.
Result<Connection> resolve_connection(const ConnectionOptions& options);

/// Returns what to warn of before connecting: that there is no revocation list, that it ends soon, or that nothing can
/// be remembered of it. Fails where the list lets no coordinator through.
/// @param clock  UTC seconds
Result<std::optional<std::string>> revocation_warning(const Connection& connection,
                                                      const std::function<std::time_t()>& clock);

}  // namespace consilium::cli
