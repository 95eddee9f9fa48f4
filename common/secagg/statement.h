#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/encoding/byte_writer.h"
#include "common/error/error.h"

namespace consilium::secagg {

/// Builds the input to which a hash, a signature or a derived key is bound: a label and the parts that follow it. Each
/// is preceded by its length in 8 bytes, so that two different lists of parts never give the same bytes. Not
/// thread-safe.
class Statement {
 public:
  explicit Statement(std::string_view label) { out_.prefixed<std::uint64_t>(label); }
  Statement& add(std::span<const std::byte> part) {
    out_.prefixed<std::uint64_t>(part);
    return *this;
  }
  Statement& add(std::span<const std::uint8_t> part) { return add(std::as_bytes(part)); }
  Statement& add(const crypto::Digest& digest) { return add(std::span<const std::uint8_t>(digest)); }
  Statement& add(std::string_view part) { return add(std::as_bytes(std::span(part))); }
  /// Adds an integer as a part that has the size of its type, little-endian.
  template <class Unsigned>
  Statement& number(Unsigned value) {
    out_.integer(std::uint64_t{sizeof(Unsigned)});
    out_.integer(value);
    return *this;
  }
  /// Ends the statement and returns its bytes.
  [[nodiscard]] std::vector<std::byte> take() { return out_.take(); }
  /// Ends the statement and returns its SHA-256.
  [[nodiscard]] crypto::Digest digest() { return crypto::sha256(take()); }

 private:
  encoding::ByteWriter out_;
};

/// Derives `size` bytes from `key` by HKDF with SHA-256. The statement is the info.
Result<crypto::SecretBytes> derive(const crypto::SecretBytes& key, std::span<const std::uint8_t> salt, Statement info,
                                   std::size_t size);

}  // namespace consilium::secagg
