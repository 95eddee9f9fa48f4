#include "coordinator/round/cohort.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace consilium::round;

TEST_CASE("a draw depends on seed, round and names alone, and a missing site doesn't reorder the others") {
  std::vector<std::string> sites;
  for (int i = 0; i < 30; ++i) sites.push_back("site-" + std::to_string(i));
  const auto drawn = draw_cohort(7, 3, sites, 10);
  CHECK(drawn.size() == 10);
  CHECK(std::is_sorted(drawn.begin(), drawn.end()));
  auto shuffled = sites;
  std::reverse(shuffled.begin(), shuffled.end());
  CHECK(draw_cohort(7, 3, shuffled, 10) == drawn);
  CHECK(draw_cohort(8, 3, sites, 10) != drawn);
  CHECK(draw_cohort(7, 4, sites, 10) != drawn);
  auto without = sites;
  std::erase(without, drawn[4]);
  const auto redrawn = draw_cohort(7, 3, without, 10);
  std::vector<std::string> kept;
  std::set_intersection(drawn.begin(), drawn.end(), redrawn.begin(), redrawn.end(), std::back_inserter(kept));
  CHECK(kept.size() == 9);
  CHECK(draw_cohort(7, 3, {"only"}, 10) == std::vector<std::string>{"only"});
}

TEST_CASE("over many rounds every site is drawn about as often") {
  std::vector<std::string> sites = {"a", "b", "c", "d", "e"};
  std::map<std::string, int> drawn;
  for (std::uint32_t round = 1; round <= 1000; ++round) {
    for (const auto& site : draw_cohort(1, round, sites, 2)) ++drawn[site];
  }
  for (const auto& site : sites) CHECK(std::abs(drawn[site] - 400) < 80);
}
