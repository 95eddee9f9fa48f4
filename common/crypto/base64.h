#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace consilium::crypto {

/// Encodes bytes in base64 (RFC 4648, section 4), with padding and on one line. Don't use it for secrets: it isn't
/// constant-time.
[[nodiscard]] std::string to_base64(std::span<const std::byte> bytes);

}  // namespace consilium::crypto
