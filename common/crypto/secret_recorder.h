#pragma once

#include <cstdint>
#include <span>

namespace consilium::crypto {

/// Does nothing unless the build defines CONSILIUM_RECORD_SECRETS. In such a build it appends the value, as a line of
/// hexadecimal digits, to the file named by the environment variable CONSILIUM_SECRETS_FILE, so that a test can look
/// for it in a core dump. Zeros aren't secret and are left out. For tests only; only the build type Secrets defines it.
/// Thread-safe.
#ifdef CONSILIUM_RECORD_SECRETS
void record_secret(std::span<const std::uint8_t> value) noexcept;
#else
inline void record_secret(std::span<const std::uint8_t>) noexcept {}
#endif

}  // namespace consilium::crypto
