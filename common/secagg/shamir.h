#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"

/// Secret sharing (Shamir 1979) over GF(2^8), with a separate polynomial for each byte of the secret. Any `threshold`
/// shares determine the secret; fewer reveal nothing about it. Time and memory accesses depend only on the sizes and on
/// x.
namespace consilium::secagg {

/// One share as it was revealed: the values of the polynomials at x.
struct ShareView {
  std::uint8_t x = 0;
  std::span<const std::uint8_t> value;
};

/// Splits a secret into `shares` shares of the secret's size; the share at index i has x = i + 1. Fails with
/// kInvalidArgument unless 1 <= threshold <= shares <= 255 and the secret isn't empty. The coefficients come from
/// `random`.
Result<std::vector<crypto::SecretBytes>> split(const crypto::SecretBytes& secret, unsigned threshold, unsigned shares,
                                               crypto::RandomSource& random);

/// Reconstructs a secret from shares. Fails with kInvalidArgument unless all shares have the same size and their x are
/// distinct and not zero. It can't tell whether there are enough shares or whether they are genuine: with fewer shares
/// than the threshold, or with a false share, it returns another value.
Result<crypto::SecretBytes> combine(std::span<const ShareView> shares);

}  // namespace consilium::secagg
