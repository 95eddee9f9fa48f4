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
/// crl.pem. P-256, SHA-256. Its key never lies on the coordinator.
class Authority {
 public:
  /// Makes a new root and its first revocation list; kAlreadyExists where the folder holds one.
  /// @param list_validity  how long each revocation list is valid
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

  /// What to do with a request for a key that this authority has revoked: whoever took the key holds it still.
  enum class RevokedKey { kRefuse, kSignAgain };

  /// Signs a request whose key proves itself; the identity is the caller's decision, not the request's. Returns the
  /// certificate in PEM. kAlreadyExists where the name has another key in force, or the key another name;
  /// kFailedPrecondition where the key was revoked.
  /// @param hosts DNS names or IP addresses (coordinators only)
  Result<std::string> sign(const std::string& csr_pem, const Identity& identity, const std::vector<std::string>& hosts,
                           std::chrono::seconds validity, RevokedKey revoked_key = RevokedKey::kRefuse);
  /// Revokes every certificate of a member and writes a new list.
  Result<void> revoke(Role role, const std::string& name);

  /// The newest revocation list.
  struct ListState {
    std::uint64_t number = 0;
    std::time_t end = 0;  ///< UTC seconds; 0: written before lists had an end, and good as long as the root
  };
  Result<ListState> list_state() const;
  /// Writes a fresh list of what is revoked, so that members have one that hasn't ended.
  /// @param validity  of this list and of later ones; nothing: as before
  /// @param above     the new number is higher than this one: for an authority that came back from a backup
  Result<ListState> renew_list(std::optional<std::chrono::days> validity, std::uint64_t above = 0);
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
/// When a certificate ends, UTC seconds.
Result<std::time_t> end_of_certificate(const std::string& certificate_pem);
/// SHA-256 of the SubjectPublicKeyInfo, hex.
Result<std::string> key_fingerprint(const std::string& certificate_pem);

}  // namespace consilium::pki
