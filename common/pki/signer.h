#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "common/error/error.h"

namespace consilium::pki {

/// Signs with a certificate's key and hides where it lies (a file today, an HSM or TPM later). Thread-safe.
class Signer {
 public:
  virtual ~Signer() = default;
  /// ECDSA P-256 over SHA-256 of the message; DER.
  virtual Result<std::vector<std::byte>> sign(std::span<const std::byte> message) const = 0;
};

/// Loads a PEM key; refuses one that others may read (mode & 077).
Result<std::unique_ptr<Signer>> make_file_signer(const std::filesystem::path& key_file);
/// Verifies against a certificate's public key. kUnauthenticated where the signature isn't its.
Result<void> verify(const std::string& certificate_pem, std::span<const std::byte> message,
                    std::span<const std::byte> signature);

}  // namespace consilium::pki
