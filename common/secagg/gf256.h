#pragma once

#include <cstdint>

/// The field of 256 elements, polynomials modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, section 4.2), with eight elements
/// in a word. Lanes may be secret: the code neither branches on them nor uses them as table indices. Factors are
/// public, and the code branches on them.
namespace consilium::secagg::gf256 {

/// Eight elements, one in each byte. Addition and subtraction are both the exclusive or.
using Lanes = std::uint64_t;

/// Multiplies each element by x.
[[nodiscard]] constexpr Lanes times_x(Lanes lanes) {
  const Lanes carries = (lanes >> 7) & 0x0101010101010101u;
  const Lanes reduction = ((carries << 8) - carries) & 0x1b1b1b1b1b1b1b1bu;
  return ((lanes & 0x7f7f7f7f7f7f7f7fu) << 1) ^ reduction;
}

/// Multiplies each element by a public factor.
[[nodiscard]] constexpr Lanes multiply(Lanes lanes, std::uint8_t factor) {
  Lanes product = (factor & 1u) != 0 ? lanes : 0;
  for (unsigned rest = factor >> 1; rest != 0; rest >>= 1) {
    lanes = times_x(lanes);
    if ((rest & 1u) != 0) product ^= lanes;
  }
  return product;
}

/// Multiplies two public elements.
[[nodiscard]] constexpr std::uint8_t multiply_public(std::uint8_t a, std::uint8_t b) {
  return static_cast<std::uint8_t>(multiply(a, b));
}

/// Inverts a public element other than zero: a^254, since a^255 = 1.
[[nodiscard]] constexpr std::uint8_t invert_public(std::uint8_t element) {
  std::uint8_t power = element;
  std::uint8_t inverse = 1;
  for (int i = 0; i < 7; ++i) {  // 254 = 2 + 4 + ... + 128
    power = multiply_public(power, power);
    inverse = multiply_public(inverse, power);
  }
  return inverse;
}

}  // namespace consilium::secagg::gf256
