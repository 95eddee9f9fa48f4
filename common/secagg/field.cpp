#include "common/secagg/field.h"

namespace consilium::secagg {
namespace {

__extension__ using UnsignedWide = unsigned __int128;

/// Reduces a value below 2^62 modulo p: once folded it is at most p, and p itself becomes 0.
FieldElement fold(std::uint64_t value) {
  const std::uint64_t folded = (value & kFieldPrime) + (value >> 61);
  // All ones if folded < p: the subtraction's borrow, without a branch.
  const std::uint64_t below = std::uint64_t{0} - ((folded - kFieldPrime) >> 63);
  return folded - (kFieldPrime & ~below);
}

/// Reduces a value below 2^122 modulo p: 2^61 is congruent to 1.
FieldElement fold_wide(UnsignedWide value) {
  return fold((static_cast<std::uint64_t>(value) & kFieldPrime) + static_cast<std::uint64_t>(value >> 61));
}

}  // namespace

FieldElement field_add(FieldElement a, FieldElement b) { return fold(a + b); }
FieldElement field_sub(FieldElement a, FieldElement b) { return fold(a + (kFieldPrime - b)); }
FieldElement field_mul(FieldElement a, FieldElement b) { return fold_wide(UnsignedWide{a} * b); }

FieldElement field_power(FieldElement base, std::uint64_t exponent) {
  FieldElement result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = field_mul(result, base);
    base = field_mul(base, base);
  }
  return result;
}

FieldElement field_from(std::uint64_t value) { return fold((value & kFieldPrime) + (value >> 61)); }

FieldElement field_from(std::span<const std::uint8_t, kFieldSecretBytes> bytes) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    low |= std::uint64_t{bytes[i]} << (8 * i);
    high |= std::uint64_t{bytes[8 + i]} << (8 * i);
  }
  // 2^64 is congruent to 8 modulo p.
  return field_add(field_from(low), field_mul(field_from(high), 8));
}

FieldElement field_from_wide(Wide sum) {
  const Wide multiple = Wide{kFieldPrime} << 59;  // a multiple of p above 2^119, which makes the sum positive
  return fold_wide(static_cast<UnsignedWide>(sum + multiple));
}

}  // namespace consilium::secagg
