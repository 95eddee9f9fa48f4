#pragma once

#include <cstdint>
#include <ctime>
#include <memory>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/pki/trust.h"

namespace grpc {
class AuthContext;
class CallbackServerContext;
}  // namespace grpc

namespace consilium::service {

/// The certificate of a peer whose call stays open: a revocation ends the call, too. Not thread-safe.
class PeerCertificate {
 public:
  PeerCertificate(std::shared_ptr<const pki::TrustStore> trust, const grpc::CallbackServerContext& context,
                  pki::Role role);

  /// Says whether the peer may stay: kUnauthenticated once its certificate proves nothing any more. Looks at it only
  /// when it has ended, or when root or revocation list have changed; while these cannot be read, nobody is let in, and
  /// who is in stays.
  Result<void> check();
  /// When the certificate ends, UTC seconds.
  [[nodiscard]] std::time_t end() const { return end_; }

 private:
  const std::shared_ptr<const pki::TrustStore> trust_;
  const std::shared_ptr<const grpc::AuthContext> peer_;
  const pki::Role role_;
  std::time_t end_ = 0;     ///< of the certificate, UTC seconds
  std::uint64_t seen_ = 0;  ///< the trust store's version that the certificate was held against
};

}  // namespace consilium::service
