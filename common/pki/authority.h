#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/pki/index.h"

namespace consilium::pki {

/// A consortium's certificate authority in a folder: root.pem, root.key (0600), issued/<role>-<name>.pem, index.json,
/// crl.pem. It uses P-256 and SHA-256. Its key must never be stored on the coordinator's machine.
class Authority {
 public:
  /// Creates a new root and its first revocation list. Fails with kAlreadyExists if the folder already holds an
  /// authority.
  static Result<Authority> create(const std::filesystem::path& folder, const std::string& consortium,
                                  std::chrono::days validity, std::chrono::days list_validity = kListValidity);
  static Result<Authority> open(const std::filesystem::path& folder);

  struct Issued {
    Identity identity;
    std::string serial;       ///< hex
    std::string not_after;    ///< ISO 8601, UTC
    std::string fingerprint;  ///< SHA-256 of the SubjectPublicKeyInfo, hex
    bool revoked = false;
  };

  /// What to do with a request for a key that this authority has revoked. Whoever stole the key still has it.
  enum class RevokedKey { kRefuse, kSignAgain };

  /// Signs a request that proves possession of its key. The caller decides the identity, not the request. Returns the
  /// certificate in PEM. Fails with kAlreadyExists if the name has another key in force, or the key belongs to another
  /// name in force. Fails with kFailedPrecondition if the key was revoked, unless `revoked_key` allows it.
  /// @param hosts DNS names or IP addresses (coordinators only)
  Result<std::string> sign(const std::string& csr_pem, const Identity& identity, const std::vector<std::string>& hosts,
                           std::chrono::seconds validity, RevokedKey revoked_key = RevokedKey::kRefuse);
  /// Revokes every certificate of a member and writes a new revocation list.
  Result<void> revoke(Role role, const std::string& name);

  /// The number and the end of the newest revocation list.
  struct ListState {
    std::uint64_t number = 0;
    std::time_t end = 0;  ///< UTC seconds; 0: from a version in which lists had no end, valid as long as the root
  };
  Result<ListState> list_state() const;
  /// Writes a fresh list of the revoked certificates, so that members have a list that hasn't ended.
  /// @param validity  of this list and of later ones; nullopt keeps the present validity
  /// @param above     the new number is higher than this, for an authority that was restored from a backup
  Result<ListState> renew_list(std::optional<std::chrono::days> validity, std::uint64_t above = 0);
  Result<std::vector<Issued>> list() const;
  [[nodiscard]] const std::string& consortium() const { return consortium_; }
  [[nodiscard]] std::filesystem::path root_certificate() const { return folder_ / "root.pem"; }
  [[nodiscard]] std::filesystem::path revocation_list() const { return folder_ / "crl.pem"; }

 private:
  std::filesystem::path folder_;
  std::string consortium_;
};

/// Creates a P-256 key file (PEM, 0600; never overwrites a file) and a certificate request for the key. Returns the
/// request in PEM.
Result<std::string> create_key_and_request(const std::filesystem::path& key_file, const Identity& identity);

/// Reads whom a certificate identifies. Fails with kUnauthenticated unless it has exactly one URI SAN, in the form of
/// Identity.
Result<Identity> identity_of_certificate(const std::string& certificate_pem);
/// Returns the time at which a certificate ends, UTC seconds.
Result<std::time_t> end_of_certificate(const std::string& certificate_pem);
/// Returns the SHA-256 of the SubjectPublicKeyInfo, hex.
Result<std::string> key_fingerprint(const std::string& certificate_pem);

}  // namespace consilium::pki
