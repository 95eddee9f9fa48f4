#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/crypto/sha256.h"
#include "common/pki/trust.h"
#include "common/secagg/authenticator.h"

namespace consilium::secagg {

/// Checks certificates against a consortium's root and revocation list, and against the keys in a job's roster. The
/// roster is needed because the person who runs the authority can sign a certificate, but can't add a key to a roster.
/// Thread-safe.
class RosterAuthenticator final : public Authenticator {
 public:
  /// @param roster  SHA-256 of each site's SubjectPublicKeyInfo
  RosterAuthenticator(std::shared_ptr<const pki::TrustStore> trust, std::map<std::string, crypto::Digest> roster);

  Result<void> check_certificate(const std::string& site, const std::string& certificate) const override;
  Result<void> verify(const std::string& certificate, std::span<const std::byte> message,
                      const Signature& signature) const override;

 private:
  std::shared_ptr<const pki::TrustStore> trust_;
  std::map<std::string, crypto::Digest> roster_;
};

}  // namespace consilium::secagg
