#include <algorithm>
#include <cstdint>
#include <random>
#include <set>

#include "common/roster/consortium_file.h"
#include "common/roster/exposure.h"
#include "common/roster/roster_change.h"
#include "tests/catch.h"

/// Over any history of changes that need no signature, no linear combination of the allowed sums singles out fewer than
/// two honest sites.
namespace consilium::roster {
namespace {

using Vector = std::vector<std::uint64_t>;

/// Ranks are computed modulo this prime, 2^61 - 1. They equal the ranks over the rationals. The entries are 0 and 1 and
/// there are at most 12 columns, so by Hadamard's bound a minor of such a matrix is at most 13^(13/2) / 2^12 < 2^13 in
/// absolute value. A nonzero minor is therefore nonzero modulo the prime too.
constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61U) - 1;
constexpr std::size_t kMostSites = 12;

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(Wide{a} * b % kPrime);
}

std::uint64_t inverse(std::uint64_t a) {
  std::uint64_t result = 1;
  for (std::uint64_t exponent = kPrime - 2; exponent > 0; exponent >>= 1U, a = times(a, a)) {
    if (exponent & 1U) result = times(result, a);
  }
  return result;
}

/// Computes the rank by Gaussian elimination.
std::size_t rank_of(std::vector<Vector> rows) {
  std::size_t rank = 0;
  for (std::size_t column = 0; column < kMostSites && rank < rows.size(); ++column) {
    const auto pivot = std::find_if(rows.begin() + static_cast<std::ptrdiff_t>(rank), rows.end(),
                                    [&](const Vector& row) { return row[column] != 0; });
    if (pivot == rows.end()) continue;
    std::iter_swap(pivot, rows.begin() + static_cast<std::ptrdiff_t>(rank));
    const std::uint64_t scale = inverse(rows[rank][column]);
    for (std::size_t i = rank + 1; i < rows.size(); ++i) {
      const std::uint64_t factor = times(rows[i][column], scale);
      for (std::size_t j = column; j < kMostSites; ++j)
        rows[i][j] = (rows[i][j] + kPrime - times(factor, rows[rank][j])) % kPrime;
    }
    ++rank;
  }
  return rank;
}

std::string name_of_site(std::size_t i) { return std::string(1, static_cast<char>('a' + i)); }

Vector indicator(const Group& group) {
  Vector row(kMostSites, 0);
  for (const std::string& site : group) row[static_cast<std::size_t>(site[0] - 'a')] = 1;
  return row;
}

/// Returns the honest site whose own vector is a combination of the groups' sums and the colluders' vectors, or "" if
/// there is none. A combination that leaves weight on only one honest site is that site's vector up to a factor.
std::string singled_out(const std::vector<Group>& groups, const Group& colluders) {
  std::vector<Vector> rows;
  std::set<std::string> sites;
  for (const Group& group : groups) {
    rows.push_back(indicator(group));
    sites.insert(group.begin(), group.end());
  }
  for (const std::string& colluder : colluders) {
    rows.push_back(indicator({colluder}));
    sites.erase(colluder);
  }
  const std::size_t rank = rank_of(rows);
  for (const std::string& site : sites) {
    std::vector<Vector> more = rows;
    more.push_back(indicator({site}));
    if (rank_of(more) == rank) return site;
  }
  return "";
}

TEST_CASE("the search for a singled-out site finds those that the audit found") {
  CHECK(singled_out({{"a", "b", "c", "d"}, {"a", "b", "c"}}, {}) == "d");
  CHECK(singled_out({{"a", "b", "c", "d"}, {"a", "b"}}, {"c"}) == "d");
  CHECK(singled_out({{"a", "b", "c", "d"}}, {"a", "b"}).empty());
  CHECK_FALSE(singled_out({{"a", "b", "c", "d"}}, {"a", "b", "c"}).empty());
  CHECK_FALSE(
      singled_out({{"a", "b"}, {"b", "c"}, {"a", "c"}}, {}).empty());  // half the sum of the first two minus the third
}

/// Draws sites, groups and colluders.
class Draws {
 public:
  explicit Draws(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  Group some(std::vector<std::string> from, std::size_t count) {
    std::shuffle(from.begin(), from.end(), random_);
    from.resize(std::min(count, from.size()));
    std::sort(from.begin(), from.end());
    return from;
  }

  /// Draws disjoint groups of at least `least` sites, from some of the sites.
  std::vector<Group> partition(std::vector<std::string> sites, std::size_t least) {
    std::shuffle(sites.begin(), sites.end(), random_);
    std::vector<Group> groups;
    while (sites.size() >= least && (groups.empty() || below(4) > 0)) {
      const std::size_t size = least + below(sites.size() - least + 1);
      groups.emplace_back(sites.end() - static_cast<std::ptrdiff_t>(size), sites.end());
      std::sort(groups.back().begin(), groups.back().end());
      sites.resize(sites.size() - size);
    }
    return groups;
  }

  /// Draws what the author of a roster could try next: a wild regrouping, a merger, a joiner, a leaver.
  std::vector<Group> next_groups(std::vector<Group> now, const std::vector<std::string>& sites, std::size_t least) {
    const std::size_t kind = below(5);
    if (now.empty() || kind == 0) return partition(sites, least);
    const std::size_t at = below(now.size());
    if (kind == 1 && now.size() > 1) {
      const std::size_t other = (at + 1) % now.size();
      now[at].insert(now[at].end(), now[other].begin(), now[other].end());
      std::sort(now[at].begin(), now[at].end());
      now.erase(now.begin() + static_cast<std::ptrdiff_t>(other));
    } else if (kind == 2) {
      std::vector<std::string> outside = sites;
      for (const Group& group : now)
        std::erase_if(outside, [&](const auto& site) { return std::binary_search(group.begin(), group.end(), site); });
      for (const std::string& site : some(outside, 1 + below(4))) now[at].push_back(site);
      std::sort(now[at].begin(), now[at].end());
    } else if (kind == 3 && now[at].size() > least) {
      now[at] = some(now[at], least + below(now[at].size() - least + 1));
    } else {
      now.erase(now.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return now;
  }

 private:
  std::mt19937 random_;
};

struct Tally {
  int grown = 0;    ///< allowed changes that added a group
  int refused = 0;  ///< changes that needed a signature
};

/// Simulates one consortium's history.
void live(std::uint32_t seed, Tally& tally) {
  Draws draws(seed);
  std::vector<std::string> sites;
  const std::size_t count = 3 + draws.below(kMostSites - 2);
  for (std::size_t i = 0; i < count; ++i) sites.push_back(name_of_site(i));
  const auto colluding = static_cast<std::uint32_t>(1 + draws.below((count - 1) / 2 > 1 ? 2 : 1));
  const std::size_t least = 2 * std::size_t{colluding} + 1;

  Roster known;
  known.consortium = "lung";
  known.serial = 1;
  known.colluding = colluding;
  const std::vector<Group> first = draws.partition(sites, least);
  known.populations = {{"chest", {"chest"}, Mode::kMasked, 500, first, first}};
  for (int step = 0; step < 12; ++step) {
    Roster next = known;
    ++next.serial;
    Population& population = next.populations[0];
    population.groups = draws.next_groups(population.groups, sites, least);
    for (const Group& group : population.groups) {
      auto& history = population.history;
      if (std::find(history.begin(), history.end(), group) == history.end()) history.push_back(group);
    }
    if (!check_change({.known = &known, .next = next}, Departures::kAccept)) {
      ++tally.refused;
      continue;
    }
    if (population.history.size() > known.populations[0].history.size()) ++tally.grown;
    known = next;
    for (int colluders = 0; colluders < 4; ++colluders) {
      const Group bad = draws.some(sites, colluding);
      const std::string victim = singled_out(known.populations[0].history, bad);
      INFO("seed " << seed << ", step " << step << ", colluders " << set_text(bad));
      for (const Group& group : known.populations[0].history) UNSCOPED_INFO(set_text(group));
      REQUIRE(victim.empty());
    }
  }
}

TEST_CASE("no combination of sums that need nobody's signature singles out fewer than two honest sites") {
  Tally tally;
  for (std::uint32_t seed = 1; seed <= 1000; ++seed) live(seed, tally);
  CHECK(tally.grown > 200);    // the draws do reach growing histories,
  CHECK(tally.refused > 200);  // and forbidden changes
}

TEST_CASE("groups by default are large enough for one site to leave, and hold everybody once") {
  for (std::uint32_t c = 1; c <= 6; ++c) {
    for (std::size_t n = 0; n <= 250; ++n) {
      std::vector<std::string> sites;
      for (std::size_t i = 0; i < n; ++i) sites.push_back("site-" + std::to_string(1000 + i));
      const std::vector<Group> groups = default_groups(sites, c);
      std::vector<std::string> all;
      std::size_t smallest = n;
      std::size_t largest = 0;
      for (const Group& group : groups) {
        all.insert(all.end(), group.begin(), group.end());
        smallest = std::min(smallest, group.size());
        largest = std::max(largest, group.size());
      }
      CAPTURE(n, c);
      REQUIRE((groups.empty() ? n < 2 * c + 1 : all == sites));
      REQUIRE((groups.size() < 2 || smallest >= 2 * c + 2));
      REQUIRE((groups.empty() || largest - smallest <= 1));
      REQUIRE((n > 10 || groups.size() <= 1));
    }
  }
}

}  // namespace
}  // namespace consilium::roster
