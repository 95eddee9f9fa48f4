#pragma once

#include <cstdint>
#include <filesystem>

#include "common/config/value.h"
#include "common/error/error.h"

/// What the configurations of both daemons have in common.
namespace consilium::config {

/// PEM files of one end of mutual TLS. Paths are absolute; whether the files are there is checked by who opens them.
struct TlsFiles {
  std::filesystem::path root;
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path revocation_list;  ///< empty: none
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
/// Reads {level, format}; absent is the default.
Result<LogConfig> read_log(const Value& value);

/// Reads "host:port", a bracketed IPv6 host included.
/// @param lowest_port  0 where port 0 may pick a free one
Result<std::string> read_address(const Value& value, unsigned lowest_port);

}  // namespace consilium::config
