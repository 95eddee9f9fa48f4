#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::pki {

/// A consortium's certificate authority in a folder: root.pem, root.key (0600), issued/<role>-<name>.pem, index.json,
/// crl.pem. P-256, SHA-256. Its key never lies on the coordinator.
class Authority {
 public:
  /// Makes a new root; kAlreadyExists where the folder holds one.
  static Result<Authority> create(const std::filesystem::path& folder, const std::string& consortium,
                                  std::chrono::days validity);
  static Result<Authority> open(const std::filesystem::path& folder);

  struct Issued {
    Identity identity;
    std::string serial;       ///< hex
    std::string not_after;    ///< ISO 8601, UTC
    std::string fingerprint;  ///< SHA-256 of the SubjectPublicKeyInfo, hex
    bool revoked = false;
  };

  /// Signs a request whose key proves itself; the identity is the caller's decision, not the request's.
  /// @param hosts DNS names or IP addresses (coordinators only)
  /// Returns the certificate in PEM.
  Result<std::string> sign(const std::string& csr_pem, const Identity& identity, const std::vector<std::string>& hosts,
                           std::chrono::seconds validity);
  Result<void> revoke(Role role, const std::string& name);
  Result<std::vector<Issued>> list() const;
  [[nodiscard]] const std::string& consortium() const { return consortium_; }
  [[nodiscard]] std::filesystem::path root_certificate() const { return folder_ / "root.pem"; }
  [[nodiscard]] std::filesystem::path revocation_list() const { return folder_ / "crl.pem"; }

 private:
  std::filesystem::path folder_;
  std::string consortium_;
};

/// Makes a P-256 key (PEM, 0600, never overwrites) and a certificate request for it; returns the request in PEM.
Result<std::string> create_key_and_request(const std::filesystem::path& key_file, const Identity& identity);

/// Reads who a certificate speaks for: exactly one URI SAN of our form. kUnauthenticated otherwise.
Result<Identity> identity_of_certificate(const std::string& certificate_pem);
/// SHA-256 of the SubjectPublicKeyInfo, hex.
Result<std::string> key_fingerprint(const std::string& certificate_pem);

}  // namespace consilium::pki
