#pragma once

#include <cstdint>
#include <span>

namespace consilium::crypto {

/// Does nothing, unless the build has CONSILIUM_RECORD_SECRETS: then it appends the value, a line of hexadecimal, to
/// the file that the environment names by CONSILIUM_SECRETS_FILE, so that a test can look for it in a core dump. Zeros
/// are no secret and are left out. For tests only; only the build type Secrets has it. Thread-safe.
#ifdef CONSILIUM_RECORD_SECRETS
void record_secret(std::span<const std::uint8_t> value) noexcept;
#else
inline void record_secret(std::span<const std::uint8_t>) noexcept {}
#endif

}  // namespace consilium::crypto
