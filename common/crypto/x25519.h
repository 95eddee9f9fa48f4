#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"

namespace consilium::crypto {

/// A u-coordinate on Curve25519, little-endian (RFC 7748, section 5).
using X25519PublicKey = std::array<std::uint8_t, 32>;

/// A key pair for X25519 (RFC 7748). Use from one thread at a time; move-only.
class X25519KeyPair {
 public:
  ~X25519KeyPair();
  X25519KeyPair(X25519KeyPair&&) noexcept;
  X25519KeyPair& operator=(X25519KeyPair&&) noexcept;

  /// Makes a fresh pair from 32 bytes of `random`.
  static Result<X25519KeyPair> generate(RandomSource& random);
  /// Makes a pair from a private key of 32 bytes. The bits are clamped when the key is used, not when it is stored.
  static Result<X25519KeyPair> from_private(SecretBytes key);

  [[nodiscard]] const X25519PublicKey& public_key() const { return public_; }
  [[nodiscard]] const SecretBytes& private_key() const { return private_; }
  /// Computes the secret of 32 bytes that is shared with `peer`. Fails with kInvalidArgument if the peer's key is a
  /// point of small order, because the secret would then be zero for any private key (section 6.1). Derive keys from
  /// the secret; don't use it as a key.
  [[nodiscard]] Result<SecretBytes> agree(const X25519PublicKey& peer) const;

 private:
  struct Handle;
  X25519KeyPair(SecretBytes key, std::unique_ptr<Handle> handle, const X25519PublicKey& public_key);

  SecretBytes private_;
  std::unique_ptr<Handle> handle_;  ///< OpenSSL's copy of the same key; its private part is in the secure heap, too
  X25519PublicKey public_{};
};

}  // namespace consilium::crypto
