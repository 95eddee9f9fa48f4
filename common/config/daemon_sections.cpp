#include "common/config/daemon_sections.h"

#include "common/config/scalars.h"
#include "common/config/section.h"

namespace consilium::config {
namespace {

/// Splits at the last colon and checks both sides. An IPv6 host must be in brackets.
bool is_address(std::string_view text, unsigned lowest_port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto port = to_integer(text.substr(colon + 1));
  if (!port || *port < lowest_port || *port > 65535) return false;
  std::string_view host = text.substr(0, colon);
  std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (host.front() == '[') {
    if (host.size() < 4 || host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
    letters = "0123456789abcdefABCDEF:.";
  }
  return host.size() <= 253 && host.find_first_not_of(letters) == std::string_view::npos;
}

}  // namespace

Result<TlsFiles> read_tls(const Value& value) {
  TlsFiles tls;
  Section section(value, {"root", "certificate", "key"}, {"revocation_list"});
  section.file("root", tls.root);
  section.file("certificate", tls.certificate);
  section.file("key", tls.key);
  section.file("revocation_list", tls.revocation_list);
  CONSILIUM_TRY(section.result());
  return tls;
}

Result<LogConfig> read_log(const Value& value) {
  LogConfig log;
  Section section(value, {}, {"level", "format"});
  section.choice<LogLevel>("level", log.level,
                           {{"debug", LogLevel::kDebug},
                            {"info", LogLevel::kInfo},
                            {"warning", LogLevel::kWarning},
                            {"error", LogLevel::kError}});
  section.choice<LogFormat>("format", log.format, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
  CONSILIUM_TRY(section.result());
  return log;
}

Result<std::string> read_address(const Value& value, unsigned lowest_port) {
  auto text = value.text(300);
  // The error doesn't quote the value, because the log would then contain the password.
  if (text && text->find('@') != std::string::npos)
    return fail(value.problem("expected host:port, without a user and password before it"));
  if (!text || !is_address(*text, lowest_port))
    return fail(value.expected("host:port, e.g. coordinator.example.org:8470"));
  return text;
}

}  // namespace consilium::config
