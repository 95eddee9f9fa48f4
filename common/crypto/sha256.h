#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::crypto {

/// A SHA-256 value (FIPS 180-4).
using Digest = std::array<std::uint8_t, 32>;

/// Hashes a stream of bytes with SHA-256. Not thread-safe; use one object for each stream.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  /// Appends bytes to the stream.
  void update(std::span<const std::byte> bytes);
  /// Ends the stream and returns its digest; the object then starts a new stream.
  [[nodiscard]] Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Hashes one buffer.
[[nodiscard]] Digest sha256(std::span<const std::byte> bytes);
[[nodiscard]] Digest sha256(std::string_view text);

/// Encodes bytes as lower-case hexadecimal.
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

/// Reads a digest from 64 hexadecimal digits of either case. Fails with kInvalidArgument on any other text.
Result<Digest> digest_from_hex(std::string_view hex);

}  // namespace consilium::crypto
