#include <algorithm>
#include <map>
#include <set>

#include "tests/catch.h"
#include "tests/unit/common/secagg/group_bench.h"
#include "tests/unit/common/secagg/span.h"

/// What the coordinator and colluding sites can compute by linear algebra from everything that they received in many
/// attempts. A masked vector is one equation. Its unknowns are the honest sites' vectors and the masks that only honest
/// sites know. Every mask is identified by its real key.
namespace consilium::secagg {
namespace {

constexpr std::uint64_t kPrime = (std::uint64_t{1} << 31) - 1;
using Sites = std::set<std::size_t>;

class Knowledge {
 public:
  Knowledge(std::size_t sites, Sites colluders) : sites_(sites), colluders_(std::move(colluders)) {}

  /// Runs an attempt of the first `members` sites, in which those in `uploading` send their vectors.
  void attempt(std::size_t members, const Sites& uploading) {
    const QuickConsortium consortium(members);
    GroupBenchSetup setup;
    setup.seed = ++attempts_;
    setup.context = crypto::sha256(std::to_string(attempts_));
    GroupBench bench(consortium, setup);
    bench.advertise_all();
    std::vector<std::vector<MaskTerm>> masks;
    std::set<std::string> known;
    for (std::size_t site = 0; site < members; ++site) {
      need(bench.deliver(site, bench.list(site)));
      masks.push_back(bench.site(site).take_masks().value());
      if (!colluders_.contains(site)) continue;
      for (const MaskTerm& mask : masks.back()) known.insert(crypto::to_hex(mask.key.bytes()));
    }
    for (const std::size_t site : uploading) {
      if (!colluders_.contains(site)) learn(site, masks[site], known);
    }
  }

  /// Returns whether this sum of sites' vectors, given by their factors, follows.
  [[nodiscard]] bool knows(const std::vector<std::int64_t>& factors) const {
    Span span(kPrime);
    for (Form form : forms_) {
      form.resize(sites_ + unknown_.size());
      span.add(form);
    }
    Form wanted(factors);
    wanted.resize(sites_ + unknown_.size());
    return span.contains(wanted);
  }

 private:
  void learn(std::size_t site, const std::vector<MaskTerm>& masks, const std::set<std::string>& known) {
    std::map<std::size_t, std::int64_t> equation{{site, 1}};
    for (const MaskTerm& mask : masks) {
      const std::string key = crypto::to_hex(mask.key.bytes());
      if (known.contains(key)) continue;
      const std::size_t place = sites_ + unknown_.try_emplace(key, unknown_.size()).first->second;
      equation[place] += mask.subtract ? -1 : 1;
    }
    Form& form = forms_.emplace_back(sites_ + unknown_.size());
    for (const auto& [place, factor] : equation) form[place] = factor;
  }

  std::size_t sites_;
  Sites colluders_;
  std::uint64_t attempts_ = 0;
  std::map<std::string, std::size_t> unknown_;  ///< masks by their keys
  std::vector<Form> forms_;
};

/// Returns every nonzero sum of the honest sites' vectors with factors -1, 0 and 1 that follows.
std::vector<std::vector<std::int64_t>> known_sums(const Knowledge& knowledge, std::size_t sites,
                                                  const Sites& colluders) {
  std::vector<std::vector<std::int64_t>> found;
  std::size_t all = 1;
  for (std::size_t i = 0; i < sites; ++i) all *= 3;
  for (std::size_t number = 0; number < all; ++number) {
    std::vector<std::int64_t> factors;
    for (std::size_t i = 0, rest = number; i < sites; ++i, rest /= 3)
      factors.push_back(static_cast<std::int64_t>(rest % 3) - 1);
    const bool nothing = std::ranges::all_of(factors, [](std::int64_t factor) { return factor == 0; });
    const bool honest = std::ranges::all_of(colluders, [&](std::size_t site) { return factors[site] == 0; });
    if (!nothing && honest && knowledge.knows(factors)) found.push_back(std::move(factors));
  }
  return found;
}

}  // namespace

TEST_CASE("20 attempts, whoever drops out of each, give the honest members' sum and nothing else of them") {
  SeededRandom random(20);
  for (const Sites& colluders : {Sites{}, Sites{3}, Sites{0, 4}}) {
    Knowledge knowledge(5, colluders);
    for (int attempt = 0; attempt < 20; ++attempt) {
      Sites uploading;
      for (std::size_t site = 0; site < 5; ++site) {
        if (random.below(4) != 0) uploading.insert(site);
      }
      uploading.insert(colluders.begin(), colluders.end());
      if (uploading.size() == 5) uploading.erase(2);  // so far no attempt has all honest members
      knowledge.attempt(5, uploading);
    }
    CHECK(known_sums(knowledge, 5, colluders).empty());
    knowledge.attempt(5, {0, 1, 2, 3, 4});
    std::vector<std::int64_t> sum(5, 1);
    std::vector<std::int64_t> minus(5, -1);
    for (const std::size_t site : colluders) sum[site] = minus[site] = 0;
    CHECK(known_sums(knowledge, 5, colluders) == std::vector{minus, sum});
  }
}

TEST_CASE("the same algebra finds a member where two groups differ by it") {
  Knowledge knowledge(4, {});
  knowledge.attempt(4, {0, 1, 2, 3});
  CHECK_FALSE(knowledge.knows({0, 0, 0, 1}));
  knowledge.attempt(3, {0, 1, 2});
  CHECK(knowledge.knows({0, 0, 0, 1}));
  CHECK_FALSE(knowledge.knows({1, 0, 0, 0}));
}

TEST_CASE("the same algebra finds a member of which all others collude") {
  Knowledge knowledge(3, {0, 2});
  knowledge.attempt(3, {1});
  CHECK(knowledge.knows({0, 1, 0}));
}

}  // namespace consilium::secagg
