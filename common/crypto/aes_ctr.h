#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "common/crypto/secret_bytes.h"

namespace consilium::crypto {

/// The keystream of AES-256 in counter mode (NIST SP 800-38A, section 6.5), from front to back. Movable; use from one
/// thread at a time.
class AesCtrStream {
 public:
  /// The first counter block. The next blocks count up from it, big-endian, modulo 2^128.
  using Counter = std::array<std::uint8_t, 16>;

  ~AesCtrStream();
  AesCtrStream(AesCtrStream&&) noexcept;
  AesCtrStream& operator=(AesCtrStream&&) noexcept;

  /// Begins a stream. Fails with kInvalidArgument if the key doesn't have 32 bytes. The key may be destroyed after the
  /// call.
  static Result<AesCtrStream> begin(const SecretBytes& key, const Counter& counter);
  /// Writes the bytes that follow those of the last call.
  Result<void> next(std::span<std::uint8_t> keystream);

 private:
  struct Context;
  explicit AesCtrStream(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

}  // namespace consilium::crypto
