#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"

/// Secret sharing (Shamir 1979) over GF(2^8), each byte of a secret with a polynomial of its own: any `threshold` of
/// the shares give the secret, fewer say nothing about it. Time and memory accesses depend on sizes and on x alone.
namespace consilium::secagg {

/// One share as it came back: the polynomials' values at x.
struct ShareView {
  std::uint8_t x = 0;
  std::span<const std::uint8_t> value;
};

/// Splits a secret into `shares` shares of its size; the one at index i has x = i + 1. Needs 1 <= threshold <= shares
/// <= 255 and a secret that isn't empty, else kInvalidArgument. The coefficients come from `random`.
Result<std::vector<crypto::SecretBytes>> split(const crypto::SecretBytes& secret, unsigned threshold, unsigned shares,
                                               crypto::RandomSource& random);

/// Puts a secret together from shares of one size, whose x are distinct and not zero, else kInvalidArgument. It cannot
/// tell whether these are enough shares, or true ones: fewer than the threshold, or a false one, give another value.
Result<crypto::SecretBytes> combine(std::span<const ShareView> shares);

}  // namespace consilium::secagg
