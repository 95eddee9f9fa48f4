#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace consilium::round {

/// Draws up to `size` of the sites, without replacement: each has a number of its own that follows from (seed, round,
/// name), and the smallest win. So a site that is missing changes nothing about the order of the others.
/// @return names in lexical order
[[nodiscard]] std::vector<std::string> draw_cohort(std::uint64_t seed, std::uint32_t round,
                                                   const std::vector<std::string>& sites, std::size_t size);

}  // namespace consilium::round
