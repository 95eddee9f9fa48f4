#pragma once

#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::crypto {

/// Where keys, seeds and serial numbers come from; injected, so that a test can replay a protocol.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills all of `bytes`. kInternal where no randomness is to be had: nothing secret may be made of `bytes` then.
  virtual Result<void> fill(std::span<std::uint8_t> bytes) = 0;
};

/// OpenSSL's generator for values that stay private, seeded by the kernel. Thread-safe.
class SystemRandom final : public RandomSource {
 public:
  Result<void> fill(std::span<std::uint8_t> bytes) override;
};

}  // namespace consilium::crypto
