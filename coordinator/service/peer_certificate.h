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

/// The certificate of a peer whose call stays open, so that a revocation ends the call, too. Not thread-safe.
class PeerCertificate {
 public:
  PeerCertificate(std::shared_ptr<const pki::TrustStore> trust, const grpc::CallbackServerContext& context,
                  pki::Role role);

  /// Checks whether the peer may stay. Fails with kUnauthenticated once its certificate is no longer valid. Verifies
  /// the certificate only if it has expired, or if the root or the revocation list has changed. While these can't be
  /// read, no new peer is admitted, and peers that are already connected stay.
  Result<void> check();
  /// Returns when the certificate expires, in UTC seconds.
  [[nodiscard]] std::time_t end() const { return end_; }

 private:
  const std::shared_ptr<const pki::TrustStore> trust_;
  const std::shared_ptr<const grpc::AuthContext> peer_;
  const pki::Role role_;
  std::time_t end_ = 0;     ///< when the certificate expires, UTC seconds
  std::uint64_t seen_ = 0;  ///< the trust store's version that the certificate was last checked against
};

}  // namespace consilium::service
