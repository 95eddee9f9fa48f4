#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/crypto/secret_bytes.h"

/// AES-256-GCM (NIST SP 800-38D) with a key of 32 bytes, a nonce of 12 bytes, and a tag of 16 bytes that follows the
/// ciphertext.
namespace consilium::crypto {

using AeadNonce = std::array<std::uint8_t, 12>;
inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadTagBytes = 16;

/// Encrypts `plaintext` and authenticates it together with `aad`. The result is 16 bytes longer than the plaintext.
/// Never use a nonce twice with a key.
Result<std::vector<std::uint8_t>> seal(const SecretBytes& key, const AeadNonce& nonce,
                                       std::span<const std::uint8_t> aad, std::span<const std::uint8_t> plaintext);

/// Decrypts the output of seal() under the same key, nonce and aad. Fails with kUnauthenticated if anything differs.
Result<SecretBytes> open(const SecretBytes& key, const AeadNonce& nonce, std::span<const std::uint8_t> aad,
                         std::span<const std::uint8_t> sealed);

}  // namespace consilium::crypto
