#include "common/secagg/shamir.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <string>

#include "common/secagg/gf256.h"

namespace consilium::secagg {
namespace {

using crypto::SecretBytes;
using gf256::Lanes;

constexpr unsigned kMaxShares = 255;  // x is a non-zero element

std::size_t round_up_to_lanes(std::size_t size) { return (size + sizeof(Lanes) - 1) / sizeof(Lanes) * sizeof(Lanes); }

/// Computes sum = sum * factor + addend element by element. The sizes are multiples of eight.
void multiply_and_add(std::span<std::uint8_t> sum, std::uint8_t factor, std::span<const std::uint8_t> addend) {
  for (std::size_t at = 0; at < sum.size(); at += sizeof(Lanes)) {
    Lanes lanes = 0;
    Lanes added = 0;
    std::memcpy(&lanes, sum.data() + at, sizeof lanes);
    std::memcpy(&added, addend.data() + at, sizeof added);
    lanes = gf256::multiply(lanes, factor) ^ added;
    std::memcpy(sum.data() + at, &lanes, sizeof lanes);
  }
}

Result<void> check(std::span<const ShareView> shares) {
  std::bitset<kMaxShares + 1> seen;
  for (const ShareView& share : shares) {
    if (share.x == 0) return fail(ErrorCode::kInvalidArgument, "a share at x = 0 would be the secret itself");
    if (seen[share.x]) return fail(ErrorCode::kInvalidArgument, "two shares at x = " + std::to_string(share.x));
    if (share.value.size() != shares.front().value.size()) {
      return fail(ErrorCode::kInvalidArgument, "the share at x = " + std::to_string(share.x) + " has " +
                                                   std::to_string(share.value.size()) + " bytes, others have " +
                                                   std::to_string(shares.front().value.size()));
    }
    seen.set(share.x);
  }
  if (shares.empty() || shares.front().value.empty()) {
    return fail(ErrorCode::kInvalidArgument, "expected at least one share, and no empty ones");
  }
  return {};
}

/// Returns the weight of the share at `x` in the value at 0: the product of x_j / (x_j - x) over the others (Lagrange).
std::uint8_t weight_of(std::uint8_t x, std::span<const ShareView> shares) {
  std::uint8_t above = 1;
  std::uint8_t below = 1;
  for (const ShareView& other : shares) {
    if (other.x == x) continue;
    above = gf256::multiply_public(above, other.x);
    below = gf256::multiply_public(below, static_cast<std::uint8_t>(other.x ^ x));
  }
  return gf256::multiply_public(above, gf256::invert_public(below));
}

}  // namespace

Result<std::vector<SecretBytes>> split(const SecretBytes& secret, unsigned threshold, unsigned shares,
                                       crypto::RandomSource& random) {
  if (secret.empty() || threshold < 1 || threshold > shares || shares > kMaxShares) {
    return fail(ErrorCode::kInvalidArgument, "a secret of " + std::to_string(secret.size()) + " bytes has no " +
                                                 std::to_string(threshold) + " of " + std::to_string(shares) +
                                                 " shares: expected 1 <= threshold <= shares <= 255");
  }
  // One row for each power of x. The secret is the constant term.
  const std::size_t row = round_up_to_lanes(secret.size());
  CONSILIUM_ASSIGN(SecretBytes coefficients, SecretBytes::allocate(row * threshold));
  std::ranges::copy(secret.bytes(), coefficients.bytes().begin());
  CONSILIUM_TRY(random.fill(coefficients.bytes().subspan(row)));

  CONSILIUM_ASSIGN(SecretBytes sum, SecretBytes::allocate(row));
  std::vector<SecretBytes> result;
  result.reserve(shares);
  for (unsigned x = 1; x <= shares; ++x) {
    std::ranges::fill(sum.bytes(), std::uint8_t{0});
    for (std::size_t power = threshold; power-- > 0;) {  // Horner's rule
      multiply_and_add(sum.bytes(), static_cast<std::uint8_t>(x), coefficients.bytes().subspan(row * power, row));
    }
    CONSILIUM_ASSIGN(SecretBytes share, SecretBytes::copy_of(sum.bytes().first(secret.size())));
    result.push_back(std::move(share));
  }
  return result;
}

Result<SecretBytes> combine(std::span<const ShareView> shares) {
  CONSILIUM_TRY(check(shares));
  const std::size_t size = shares.front().value.size();
  const std::size_t row = round_up_to_lanes(size);
  CONSILIUM_ASSIGN(SecretBytes sum, SecretBytes::allocate(row));
  CONSILIUM_ASSIGN(SecretBytes term, SecretBytes::allocate(row));
  for (const ShareView& share : shares) {
    std::ranges::copy(share.value, term.bytes().begin());
    multiply_and_add(term.bytes(), weight_of(share.x, shares), sum.bytes());
    std::swap(sum, term);
  }
  return SecretBytes::copy_of(sum.bytes().first(size));
}

}  // namespace consilium::secagg
