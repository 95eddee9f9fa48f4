#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::pki {

/// What a trust store may be given besides its files.
struct TrustOptions {
  std::filesystem::path memory;  ///< folder that remembers the newest list seen; empty: until the store is closed
  std::function<std::time_t()> clock = [] { return std::time(nullptr); };  ///< UTC seconds; called from any thread
};

/// What certificates are held against: one root, its revocation list and the clock. Thread-safe. Both files are read
/// again when they change. Fails closed: while a file is unreadable, or the list has ended or is older than one seen
/// before, nobody is let in.
class TrustStore {
 public:
  /// @param revocation_list  crl.pem, or empty: nothing is ever revoked
  static Result<std::shared_ptr<TrustStore>> open(const std::filesystem::path& root,
                                                  const std::filesystem::path& revocation_list,
                                                  TrustOptions options = {});
  virtual ~TrustStore() = default;

  /// Says whose certificate this is: signed by the root, in force, not revoked, fit for its role, and its role among
  /// `roles`. kUnauthenticated where it proves nothing, kPermissionDenied where only the role is wrong.
  virtual Result<Identity> authenticate(const std::string& certificate_pem, const std::vector<Role>& roles) const = 0;

  /// Counts how often the files were read: while it stays the same, so does what is revoked. Fails while they cannot be
  /// read, or the list has ended.
  virtual Result<std::uint64_t> version() const = 0;

  /// Returns what to log about the revocation list: from seven days before its end, and while the store lets nobody in.
  /// The same words come once a day.
  virtual std::optional<std::string> warning_due() const = 0;
};

/// Does a certificate carry this DNS name or IP address?
Result<void> check_certificate_host(const std::string& certificate_pem, const std::string& host);
/// Is the private key in `key_file` (0600) the one of the certificate in `certificate_file`? Returns the certificate's
/// PEM.
Result<std::string> check_key_pair(const std::filesystem::path& certificate_file,
                                   const std::filesystem::path& key_file);

}  // namespace consilium::pki
