#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::pki {

/// What certificates are held against: one root, its revocation list and the clock. Thread-safe. Both files are read
/// again when they change. Fails closed: while a file is unreadable, or a list older than one seen before, nobody is
/// let in.
class TrustStore {
 public:
  /// @param revocation_list  crl.pem, or empty: nothing is ever revoked
  static Result<std::shared_ptr<TrustStore>> open(const std::filesystem::path& root,
                                                  const std::filesystem::path& revocation_list);
  virtual ~TrustStore() = default;

  /// Says whose certificate this is: signed by the root, in force, not revoked, fit for its role, and its role among
  /// `roles`. kUnauthenticated where it proves nothing, kPermissionDenied where only the role is wrong.
  virtual Result<Identity> authenticate(const std::string& certificate_pem, const std::vector<Role>& roles) const = 0;

  /// Counts how often the files were read: while it stays the same, so does what is revoked. Fails while they cannot be
  /// read.
  virtual Result<std::uint64_t> version() const = 0;
};

/// Does a certificate carry this DNS name or IP address?
Result<void> check_certificate_host(const std::string& certificate_pem, const std::string& host);
/// Is the private key in `key_file` (0600) the one of the certificate in `certificate_file`? Returns the certificate's
/// PEM.
Result<std::string> check_key_pair(const std::filesystem::path& certificate_file,
                                   const std::filesystem::path& key_file);

}  // namespace consilium::pki
