#pragma once

#include <filesystem>
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
};

/// What the command line says of it.
struct ConnectionOptions {
  std::string config;  ///< file; "": $CONSILIUM_CONFIG, else ~/.config/consilium/config.yaml where it is there
  Connection given;    ///< empty members come from the file
};
void add_connection_options(CLI::App& command, ConnectionOptions& options);

/// Reads a file of the keys coordinator, root, certificate, key (none is required; paths start at the file's folder).
Result<Connection> read_connection_file(const std::filesystem::path& file);

/// Puts options and file together. Fails where one of the four is still missing, saying which and where to put it.
Result<Connection> resolve_connection(const ConnectionOptions& options);

}  // namespace consilium::cli
