#pragma once

#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::crypto {

/// A source of randomness for keys, seeds and serial numbers. Protocols take it as a parameter, so that a test can
/// replay them.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills all of `bytes`. Fails with kInternal if no randomness is available; then no secret may be made from `bytes`.
  virtual Result<void> fill(std::span<std::uint8_t> bytes) = 0;
};

/// OpenSSL's generator for private values, seeded by the kernel. Thread-safe.
class SystemRandom final : public RandomSource {
 public:
  Result<void> fill(std::span<std::uint8_t> bytes) override;
};

}  // namespace consilium::crypto
