#include "coordinator/round/cohort.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::round {

std::size_t cohort_size(double fraction, std::size_t members) {
  const double size = std::round(fraction * static_cast<double>(members));
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::max(0.0, size)));
}

std::size_t answers_needed(double quorum, std::size_t cohort) {
  // 0.55 x 20 is a hair above 11 in binary, and must not ask for 12.
  const double needed = std::ceil(quorum * static_cast<double>(cohort) - 1e-9);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::max(0.0, needed)));
}

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
