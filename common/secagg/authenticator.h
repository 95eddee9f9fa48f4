#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/error/error.h"
#include "common/secagg/messages.h"

namespace consilium::secagg {

/// Whose signatures count: what the protocol asks of certificates and of the roster.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// Is this a certificate of `site`, in force (root, revocation list, clock), with the key that the job's roster
  /// names? kUnauthenticated says what is wrong with it.
  virtual Result<void> check_certificate(const std::string& site, const std::string& certificate) const = 0;
  /// Is the signature by the certificate's key?
  virtual Result<void> verify(const std::string& certificate, std::span<const std::byte> message,
                              const Signature& signature) const = 0;
};

}  // namespace consilium::secagg
