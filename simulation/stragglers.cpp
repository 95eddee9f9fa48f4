#include "simulation/stragglers.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "common/random/random_stream.h"

namespace consilium::simulation {

std::map<std::string, std::uint32_t> draw_stragglers(std::uint64_t seed, std::uint32_t round,
                                                     const std::vector<std::string>& cohort, double share,
                                                     std::uint32_t local_epochs) {
  struct Draw {
    std::uint64_t rank;
    std::string site;
    std::uint32_t epochs;
  };
  std::vector<Draw> draws;
  if (share <= 0 || local_epochs < 2) return {};
  for (const std::string& site : cohort) {
    RandomStream stream(seed, RandomPurpose::kStragglers, round, site);
    const std::uint64_t rank = stream.next_u64();
    draws.push_back({rank, site, static_cast<std::uint32_t>(1 + stream.below(local_epochs - 1))});
  }
  std::ranges::sort(draws,
                    [](const Draw& a, const Draw& b) { return std::tie(a.rank, a.site) < std::tie(b.rank, b.site); });
  const auto count = static_cast<std::size_t>(std::llround(std::min(1.0, share) * static_cast<double>(cohort.size())));
  std::map<std::string, std::uint32_t> stragglers;
  for (std::size_t i = 0; i < std::min(count, draws.size()); ++i) stragglers[draws[i].site] = draws[i].epochs;
  return stragglers;
}

}  // namespace consilium::simulation
