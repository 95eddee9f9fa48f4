#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace consilium::simulation {

/// Draws the stragglers of a round: exactly round(share x cohort) of its sites, each with the number of local epochs
/// that it completes, 1 to local_epochs - 1. The result is a function of (seed, round, site names) alone and doesn't
/// depend on the strategy, the attempt or the order, so that strategies can be compared in pairs (Li et al. 2020,
/// section 5.2).
/// @param share         0 to 1
/// @param local_epochs  E >= 2 where share > 0
/// @return site -> epochs
[[nodiscard]] std::map<std::string, std::uint32_t> draw_stragglers(std::uint64_t seed, std::uint32_t round,
                                                                   const std::vector<std::string>& cohort, double share,
                                                                   std::uint32_t local_epochs);

}  // namespace consilium::simulation
