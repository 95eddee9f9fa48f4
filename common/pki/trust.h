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

/// Optional settings of a trust store.
struct TrustOptions {
  std::filesystem::path memory;  ///< folder that remembers the newest list seen; empty: remembered in memory only
  std::function<std::time_t()> clock = [] { return std::time(nullptr); };  ///< UTC seconds; called from any thread
};

/// Checks certificates against one root, its revocation list and the clock. Thread-safe. Both files are read again when
/// they change. It fails closed: no certificate is accepted while a file is unreadable, or while the list has ended or
/// is older than one seen before.
class TrustStore {
 public:
  /// @param revocation_list  crl.pem, or empty if no certificate is ever revoked
  static Result<std::shared_ptr<TrustStore>> open(const std::filesystem::path& root,
                                                  const std::filesystem::path& revocation_list,
                                                  TrustOptions options = {});
  virtual ~TrustStore() = default;

  /// Returns the identity of a certificate that is signed by the root, in force, not revoked and fit for its role, and
  /// whose role is in `roles`. Fails with kUnauthenticated if the certificate isn't valid, and with kPermissionDenied
  /// if only the role is wrong.
  virtual Result<Identity> authenticate(const std::string& certificate_pem, const std::vector<Role>& roles) const = 0;

  /// Returns how often the files have been read. As long as this number stays the same, so do the revoked certificates.
  /// Fails while a file can't be read, or while the list has ended or is older than one seen before.
  virtual Result<std::uint64_t> version() const = 0;

  /// Returns the warning to log about the revocation list, if one is due: from seven days before its end, and while the
  /// store accepts no certificate. The same text is returned at most once a day.
  virtual std::optional<std::string> warning_due() const = 0;
};

/// Returns the name of the consortium whose root certificate this is. kInvalidArgument if it isn't an authority's
/// certificate.
Result<std::string> consortium_of_root(const std::string& root_pem);
/// Checks that a revocation list is signed by this root, and has a number and an end. The list may have ended.
Result<void> check_revocation_list(const std::string& root_pem, const std::string& list_pem);
/// Checks that a certificate carries this DNS name or IP address.
Result<void> check_certificate_host(const std::string& certificate_pem, const std::string& host);
/// Checks that the private key in `key_file` (0600) belongs to the certificate in `certificate_file`. Returns the
/// certificate in PEM.
Result<std::string> check_key_pair(const std::filesystem::path& certificate_file,
                                   const std::filesystem::path& key_file);

}  // namespace consilium::pki
