#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/error/error.h"
#include "common/secagg/messages.h"

namespace consilium::secagg {

/// Decides which certificates and signatures count: the interface of the protocol to the certificates and the roster.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// Checks that this is a certificate of `site`, that it is in force (root, revocation list, clock), and that its key
  /// is the one in the job's roster. Fails with kUnauthenticated; the message says what is wrong.
  virtual Result<void> check_certificate(const std::string& site, const std::string& certificate) const = 0;
  /// Checks that the signature is by the certificate's key.
  virtual Result<void> verify(const std::string& certificate, std::span<const std::byte> message,
                              const Signature& signature) const = 0;
};

}  // namespace consilium::secagg
