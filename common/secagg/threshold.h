#pragma once

#include <cstddef>

namespace consilium::secagg {

/// Shares that rebuild a secret, and signatures that fix a survivor list, in a cohort of n of which c may collude:
/// floor((n + c) / 2) + 1, so that 2 t > n + c and two different lists never both gather t honest signatures.
[[nodiscard]] constexpr std::size_t threshold(std::size_t cohort, std::size_t colluding) {
  return (cohort + colluding) / 2 + 1;
}

/// The smallest cohort in which c colluders learn nothing of one site: 2 c + 1.
[[nodiscard]] constexpr std::size_t smallest_cohort(std::size_t colluding) { return 2 * colluding + 1; }

}  // namespace consilium::secagg
