#pragma once

#include <cstddef>
#include <span>

#include "common/error/error.h"

namespace consilium::crypto {

/// Fills `bytes` from OpenSSL's generator, fit for keys and serial numbers. Thread-safe.
Result<void> random_bytes(std::span<std::byte> bytes);

}  // namespace consilium::crypto
