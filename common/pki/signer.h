#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "common/error/error.h"

namespace consilium::pki {

/// Signs with a certificate's key and hides where the key is stored (a file today, an HSM or TPM later). Thread-safe.
class Signer {
 public:
  virtual ~Signer() = default;
  /// Returns an ECDSA P-256 signature over the SHA-256 of the message, in DER.
  virtual Result<std::vector<std::byte>> sign(std::span<const std::byte> message) const = 0;
};

/// Loads a PEM key. Refuses a file that others may access (mode & 077).
Result<std::unique_ptr<Signer>> make_file_signer(const std::filesystem::path& key_file);
/// Verifies a signature with a certificate's public key. Fails with kUnauthenticated if the signature isn't by that
/// key.
Result<void> verify(const std::string& certificate_pem, std::span<const std::byte> message,
                    std::span<const std::byte> signature);

}  // namespace consilium::pki
