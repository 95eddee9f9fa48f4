#include "simulation/stragglers.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/catch.h"

namespace consilium::simulation {
namespace {

std::vector<std::string> sites(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("site-" + std::to_string(i));
  return names;
}

TEST_CASE("exactly the share of the cohort straggles, each with 1 to E-1 epochs") {
  for (const double share : {0.0, 0.1, 0.25, 0.5, 0.9, 1.0}) {
    for (const std::size_t count : {1U, 3U, 10U, 30U}) {
      for (std::uint32_t round = 1; round <= 5; ++round) {
        const auto drawn = draw_stragglers(7, round, sites(count), share, 20);
        CHECK(drawn.size() == static_cast<std::size_t>(std::llround(share * static_cast<double>(count))));
        for (const auto& [site, epochs] : drawn) {
          CHECK(epochs >= 1);
          CHECK(epochs <= 19);
        }
      }
    }
  }
}

TEST_CASE("stragglers follow from seed, round and names alone, not from the order of the cohort") {
  std::vector<std::string> cohort = sites(10);
  const auto drawn = draw_stragglers(7, 3, cohort, 0.5, 20);
  std::ranges::reverse(cohort);
  CHECK(draw_stragglers(7, 3, cohort, 0.5, 20) == drawn);
  CHECK(draw_stragglers(8, 3, cohort, 0.5, 20) != drawn);
  CHECK(draw_stragglers(7, 4, cohort, 0.5, 20) != drawn);
  // A greater share includes the sites that already straggle.
  const auto more = draw_stragglers(7, 3, cohort, 0.9, 20);
  for (const auto& [site, epochs] : drawn) CHECK(more.at(site) == epochs);
}

TEST_CASE("every number of epochs from 1 to E-1 is drawn") {
  std::set<std::uint32_t> seen;
  for (std::uint32_t round = 1; round <= 50; ++round) {
    for (const auto& [site, epochs] : draw_stragglers(1, round, sites(10), 1.0, 5)) seen.insert(epochs);
  }
  CHECK(seen == std::set<std::uint32_t>{1, 2, 3, 4});
}

TEST_CASE("one local epoch leaves nothing to be slow with") { CHECK(draw_stragglers(1, 1, sites(10), 1.0, 1).empty()); }

}  // namespace
}  // namespace consilium::simulation
