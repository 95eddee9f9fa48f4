#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::data {

/// A stream of bytes that is read from front to back: an archive's entry, or a file that may be compressed.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills the whole target. Fails with kInvalidArgument if the stream ends too early or its compressed data is broken.
  virtual Result<void> read(std::span<std::byte> target) = 0;
  /// Checks that no bytes are left, and verifies the checksum if the stream has one.
  virtual Result<void> expect_end() = 0;
};

/// The largest ratio by which deflate can compress (RFC 1951: 258 bytes in two bits), rounded up.
inline constexpr std::uint64_t kMaxDeflateRatio = 1040;

}  // namespace consilium::data
