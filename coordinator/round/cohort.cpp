#include "coordinator/round/cohort.h"

#include <algorithm>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::round {

std::vector<std::string> draw_cohort(std::uint64_t seed, std::uint32_t round, const std::vector<std::string>& sites,
                                     std::size_t size) {
  std::vector<std::pair<std::uint64_t, std::string>> ranked;
  ranked.reserve(sites.size());
  for (const std::string& site : sites) {
    ranked.emplace_back(RandomStream(seed, RandomPurpose::kCohort, round, site).next_u64(), site);
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(std::min(size, ranked.size()));
  std::vector<std::string> cohort;
  cohort.reserve(ranked.size());
  for (auto& [draw, site] : ranked) cohort.push_back(std::move(site));
  std::sort(cohort.begin(), cohort.end());
  return cohort;
}

}  // namespace consilium::round
