#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// Arithmetic modulo the prime p = 2^61 - 1, in a time that doesn't depend on the values. An element is a u64 below p.
/// The functions take and return elements, unless they say otherwise.
namespace consilium::secagg {

using FieldElement = std::uint64_t;
inline constexpr FieldElement kFieldPrime = (FieldElement{1} << 61) - 1;
inline constexpr std::size_t kFieldSecretBytes = 16;  ///< size of a secret that becomes an element

[[nodiscard]] FieldElement field_add(FieldElement a, FieldElement b);
[[nodiscard]] FieldElement field_sub(FieldElement a, FieldElement b);
[[nodiscard]] FieldElement field_mul(FieldElement a, FieldElement b);
/// Raises to a public exponent, whose bits determine the running time; 0^0 is 1.
[[nodiscard]] FieldElement field_power(FieldElement base, std::uint64_t exponent);
/// Reduces any u64 modulo p.
[[nodiscard]] FieldElement field_from(std::uint64_t value);
/// Reduces 16 little-endian bytes modulo p. Uniform bytes give an element that is uniform up to a bias of 2^-67.
[[nodiscard]] FieldElement field_from(std::span<const std::uint8_t, kFieldSecretBytes> bytes);

__extension__ using Wide = __int128;
/// Reduces a sum of products modulo p. Its absolute value must be below 2^119.
[[nodiscard]] FieldElement field_from_wide(Wide sum);

}  // namespace consilium::secagg
