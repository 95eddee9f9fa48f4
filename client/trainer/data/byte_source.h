#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::data {

/// A stream of bytes read from front to back: an archive's entry, or a file that may be compressed.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills the whole target. Fails with kInvalidArgument where the stream ends before, or its compression is broken.
  virtual Result<void> read(std::span<std::byte> target) = 0;
  /// Checks that nothing is left, and the checksum where the stream has one.
  virtual Result<void> expect_end() = 0;
};

/// Largest factor by which deflate can shrink (RFC 1951: 258 bytes by two bits), rounded up.
inline constexpr std::uint64_t kMaxDeflateRatio = 1040;

}  // namespace consilium::data
