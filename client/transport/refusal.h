#pragma once

#include <ctime>
#include <filesystem>
#include <optional>
#include <string>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::transport {

/// How an attempt to connect to the coordinator ended, and what this site knows about its own certificate.
struct Attempt {
  const Error& why;
  /// True if, at this attempt and at the one before, the coordinator proved its identity and then closed the connection
  /// without an answer.
  bool shut_out = false;
  std::filesystem::path certificate;
  std::time_t end = 0;  ///< when the certificate expires, in UTC seconds; 0 if unknown
  std::time_t now = 0;
  const Result<pki::Identity>& own;  ///< the certificate, checked with this site's root and revocation list
};

/// Returns a message that this site's certificate has expired or was revoked, and what to do. Returns nothing if the
/// site knows of neither. gRPC shows a client only that a refused handshake ended. If this site's own clock and list
/// don't give the reason, the message lists the possible ones (docs/adr/0038).
[[nodiscard]] std::optional<std::string> refusal_in_words(const Attempt& attempt);

/// Returns what to do if the coordinator's certificate is refused for this reason, or "" if there is no advice.
[[nodiscard]] std::string advice_on_coordinator(const std::string& reason);

}  // namespace consilium::transport
