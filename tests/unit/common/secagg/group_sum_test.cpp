#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/secagg/sum_keys.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/certified_consortium.h"
#include "tests/unit/common/secagg/group_bench.h"

/// Masks and tags cancel in a whole group's sum, bit for bit, and in no partial sum.
namespace consilium::secagg {
namespace {

using Order = std::vector<std::size_t>;

Order in_order(std::size_t sites) {
  Order order(sites);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

/// Returns all uploads by site. The sites advertise and upload in `order`.
std::vector<GroupUpload> uploads(GroupBench& bench, const Order& order) {
  for (const std::size_t site : order) bench.advertise(site);
  std::vector<GroupUpload> all(order.size());
  for (const std::size_t site : order) {
    need(bench.deliver(site, bench.list(site)));
    all[site] = bench.upload(site);
  }
  return all;
}

bool tag_fits(const GroupBench& bench, const GroupUpload& sum, const crypto::Digest& cohort, std::size_t members) {
  std::vector<GroupTag> groups;
  groups.push_back({members, bench.offset(cohort), sum.tag});
  return check_tag(accumulate_tag(bench.root(), sum.words).value(), groups);
}

double chi_square_of_bytes(const std::vector<std::uint32_t>& words) {
  std::array<double, 256> counts{};
  for (const std::uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) ++counts[word >> shift & 0xFF];
  }
  const double expected = static_cast<double>(words.size()) * 4 / 256;
  double sum = 0;
  for (const double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

}  // namespace

TEST_CASE("a group's sum is the plain sum bit for bit, in whatever order its members come") {
  for (std::size_t sites = 3; sites <= 6; ++sites) {
    const QuickConsortium consortium(sites);
    Order order = in_order(sites);
    do {
      GroupBench bench(consortium, {});
      const GroupUpload sum = add_up(uploads(bench, order));
      CHECK(bench.coordinator().phase() == GroupPhase::kComplete);
      CHECK(sum.words == bench.plain_sum());
      CHECK(tag_fits(bench, sum, bench.coordinator().cohort(), sites));
    } while (std::ranges::next_permutation(order).found);
  }
}

TEST_CASE("nothing less than the whole group shows its sum") {
  for (std::size_t sites = 3; sites <= 6; ++sites) {
    const QuickConsortium consortium(sites);
    GroupBench bench(consortium, {});
    const std::vector<GroupUpload> all = uploads(bench, in_order(sites));
    for (std::size_t subset = 1; subset + 1 < std::size_t{1} << sites; ++subset) {
      std::vector<GroupUpload> some;
      std::vector<std::uint32_t> plain(8);
      for (std::size_t site = 0; site < sites; ++site) {
        if ((subset >> site & 1) == 0) continue;
        some.push_back(all[site]);
        for (std::size_t i = 0; i < 8; ++i) plain[i] += bench.vector(site)[i];
      }
      const GroupUpload sum = add_up(some);
      std::size_t equal = 0;
      for (std::size_t i = 0; i < 8; ++i) equal += sum.words[i] == plain[i] ? 1 : 0;
      CHECK(equal == 0);
      std::vector<GroupTag> groups;
      groups.push_back({some.size(), bench.offset(bench.coordinator().cohort()), sum.tag});
      CHECK_FALSE(check_tag(accumulate_tag(bench.root(), plain).value(), groups));
    }
  }
}

TEST_CASE("groups of any size up to 60, at vectors of any length") {
  SeededRandom random(60);
  for (int run = 0; run < 12; ++run) {
    const std::size_t sites = run == 0 ? 60 : 3 + random.below(58);
    const QuickConsortium consortium(sites);
    GroupBenchSetup setup;
    setup.seed = random.number();
    setup.words = random.below(3000);
    setup.colluding = static_cast<std::uint32_t>(1 + random.below((sites - 1) / 2));
    Order order = in_order(sites);
    for (std::size_t i = sites; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    GroupBench bench(consortium, setup);
    const GroupUpload sum = add_up(uploads(bench, order));
    CHECK(sum.words == bench.plain_sum());
    CHECK(tag_fits(bench, sum, bench.coordinator().cohort(), sites));
  }
}

TEST_CASE("with an authority's certificates the sum is the same") {
  const CertifiedConsortium consortium(4);
  GroupBench bench(consortium, {});
  const GroupUpload sum = add_up(uploads(bench, in_order(4)));
  CHECK(sum.words == bench.plain_sum());
  CHECK(tag_fits(bench, sum, bench.coordinator().cohort(), 4));
}

TEST_CASE("a later attempt over the same vectors has the same sum under other masks and another tag") {
  const QuickConsortium consortium(3);
  GroupBenchSetup setup;
  setup.vectors = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
  GroupBench first(consortium, setup);
  setup.context = crypto::sha256("the second attempt");
  GroupBench second(consortium, setup);
  const auto before = uploads(first, in_order(3));
  const auto after = uploads(second, in_order(3));
  for (std::size_t site = 0; site < 3; ++site) {
    CHECK(before[site].words != after[site].words);
    CHECK(before[site].tag != after[site].tag);
  }
  CHECK(add_up(before).words == add_up(after).words);
  CHECK(add_up(before).tag != add_up(after).tag);
  CHECK_FALSE(tag_fits(second, add_up(before), second.coordinator().cohort(), 3));
}

TEST_CASE("one upload looks like noise, whatever it hides") {
  // Bounds that true noise breaks with a probability below 1e-9: chi-square with 255 degrees of freedom.
  const QuickConsortium consortium(3);
  GroupBenchSetup setup;
  setup.vectors.assign(3, std::vector<std::uint32_t>(1 << 20));
  GroupBench bench(consortium, setup);
  const auto all = uploads(bench, in_order(3));
  CHECK(chi_square_of_bytes(setup.vectors[0]) > 1e6);  // the test detects values that aren't noise
  for (const GroupUpload& upload : all) {
    CHECK(chi_square_of_bytes(upload.words) < 415);
    CHECK(chi_square_of_bytes(upload.words) > 140);
  }
  std::vector<std::uint32_t> two = all[0].words;  // the same for two of three
  for (std::size_t i = 0; i < two.size(); ++i) two[i] += all[1].words[i];
  CHECK(chi_square_of_bytes(two) < 415);
}

TEST_CASE("one site's tag is spread evenly over the field, whatever its vector") {
  const QuickConsortium consortium(3);
  std::array<double, 64> counts{};  // by its top six bits
  constexpr int kAttempts = 1200;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    GroupBenchSetup setup;
    setup.seed = static_cast<std::uint64_t>(attempt) + 1;
    setup.vectors.assign(3, {0, 0, 0});
    GroupBench bench(consortium, setup);
    bench.advertise_all();
    need(bench.deliver(1, bench.list(1)));
    ++counts[bench.upload(1).tag >> 55];
  }
  double sum = 0;
  constexpr double kExpected = kAttempts / 64.0;
  for (const double count : counts) sum += (count - kExpected) * (count - kExpected) / kExpected;
  CHECK(sum < 157);  // quantile 1 - 1e-9 of chi-square with 63 degrees of freedom
}

}  // namespace consilium::secagg
