#pragma once

#include <cstdint>
#include <filesystem>

#include "common/config/value.h"
#include "common/error/error.h"

/// Sections that the configurations of both daemons share.
namespace consilium::config {

/// PEM files of one end of mutual TLS. Paths are absolute. The code that opens the files checks whether they exist.
struct TlsFiles {
  std::filesystem::path root;
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path revocation_list;  ///< empty if there is none
  bool operator==(const TlsFiles&) const = default;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  bool operator==(const LogConfig&) const = default;
};

/// Reads {root, certificate, key, revocation_list}.
Result<TlsFiles> read_tls(const Value& value);
/// Reads {level, format}. An absent key keeps its default.
Result<LogConfig> read_log(const Value& value);

/// Reads "host:port". The host may be a bracketed IPv6 address.
/// @param lowest_port  0 if port 0 (the system picks a free port) is allowed
Result<std::string> read_address(const Value& value, unsigned lowest_port);

}  // namespace consilium::config
