#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/crypto/secret_bytes.h"

namespace consilium::crypto {

/// Derives `size` bytes (1 to 8160) from `key` by HKDF with SHA-256 (RFC 5869). An empty `salt` stands for the RFC's
/// default of 32 zeros. `info`, at most 2048 bytes, says what the result is for. Fails with kInvalidArgument beyond
/// these limits.
Result<SecretBytes> hkdf_sha256(const SecretBytes& key, std::span<const std::uint8_t> salt,
                                std::span<const std::uint8_t> info, std::size_t size);

}  // namespace consilium::crypto
