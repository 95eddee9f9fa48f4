// Compares FedAvg's aggregate with exact rational arithmetic, for random numbers of sites, examples, clips and deltas.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "common/aggregation/strategy.h"
#include "common/aggregation/streaming_sum.h"
#include "common/aggregation/weighting.h"
#include "common/encoding/fixed_point.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::aggregation;

namespace {

__extension__ typedef __int128 Wide;

constexpr int kFraction = 20;  // deltas are m / 2^20: exact in float for |m| < 2^24

struct Site {
  std::uint64_t examples = 0;
  std::vector<std::int64_t> numerators;
  std::vector<std::uint32_t> words;
};

struct Federation {
  double clip = 16.0;
  std::uint64_t normaliser = 0;
  encoding::VectorLayout layout;
  std::vector<Site> sites;
};

constexpr std::size_t kParameters = 37;

encoding::VectorLayout layout_of(double clip) {
  return encoding::VectorLayout::create({encoding::fixed_point_field("parameters.0", kParameters - 5, clip),
                                         encoding::fixed_point_field("parameters.1", 5, 1024.0),
                                         encoding::count_field(std::string(encoding::kExamples), 1, 0xFFFFFFFF)})
      .value();
}

Federation draw(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Federation federation;
  federation.clip = std::ldexp(1.0, static_cast<int>(random() % 6) - 1);
  federation.layout = layout_of(federation.clip);
  federation.sites.resize(1 + random() % 60);
  for (Site& site : federation.sites) {
    site.examples = 1 + random() % (seed % 2 == 0 ? 10 : 1000000);
    federation.normaliser += site.examples;
  }
  federation.normaliser += random() % 1000;  // members that don't answer
  const auto limit = static_cast<std::int64_t>(federation.clip * (1 << kFraction));
  for (Site& site : federation.sites) {
    const double weight = static_cast<double>(site.examples) / static_cast<double>(federation.normaliser);
    std::vector<float> delta(kParameters);
    for (float& value : delta) {
      // A third of the trainable ones lie beyond the clip.
      std::int64_t m = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(3 * limit)) - 3 * limit / 2;
      m = std::clamp<std::int64_t>(m, -(1 << 24) + 1, (1 << 24) - 1);
      value = static_cast<float>(std::ldexp(static_cast<double>(m), -kFraction));
      const bool trainable = site.numerators.size() < kParameters - 5;
      site.numerators.push_back(trainable ? std::clamp(m, -limit, limit) : m);
    }
    site.words.resize(federation.layout.word_count());
    const auto& fields = federation.layout.fields();
    for (std::size_t f = 0; f < 2; ++f) {
      REQUIRE(encoding::encode_fixed_point(std::span(delta).subspan(fields[f].offset, fields[f].elements), fields[f],
                                           weight, std::span(site.words).subspan(fields[f].offset, fields[f].elements))
                  .has_value());
    }
    REQUIRE(encoding::encode_counts(std::vector<std::uint64_t>{site.examples}, fields[2],
                                    std::span(site.words).subspan(fields[2].offset, fields[2].words()))
                .has_value());
  }
  return federation;
}

StreamingSum fold_all(const Federation& federation, const std::vector<std::size_t>& order) {
  auto sum = StreamingSum::create(federation.layout).value();
  for (const std::size_t site : order) {
    MemoryWords words(federation.sites[site].words);
    REQUIRE(sum.fold(words).has_value());
  }
  return sum;
}

std::vector<std::size_t> in_order(const Federation& federation) {
  std::vector<std::size_t> order(federation.sites.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

}  // namespace

TEST_CASE("the mean of the cohort equals the exact rational weighted mean within the stated rounding error") {
  const Federation federation = draw(GENERATE(range(0u, 40u)));
  auto sum = fold_all(federation, in_order(federation));
  WeightingFacts facts;
  facts.contributors = sum.contributors();
  facts.normaliser = federation.normaliser;
  facts.contributed_examples = sum.counts(encoding::kExamples).value()[0];
  std::uint64_t examples = 0;
  for (const Site& site : federation.sites) examples += site.examples;
  REQUIRE(facts.contributed_examples == examples);
  const double divisor = mean_divisor(job::Weighting::kCohort, facts).value();
  const auto mean = sum.decode_parameters(divisor).value();
  REQUIRE(mean.size() == kParameters);
  for (std::size_t i = 0; i < kParameters; ++i) {
    Wide numerator = 0;  // exact mean = numerator / (examples 2^20)
    for (const Site& site : federation.sites)
      numerator += Wide{site.numerators[i]} * static_cast<std::int64_t>(site.examples);
    const double exact = static_cast<double>(numerator) / (static_cast<double>(examples) * (1 << kFraction));
    // Half a unit for each site, plus a small margin for the doubles, over s times the divisor; then float32's own
    // rounding.
    const double clip = i < kParameters - 5 ? federation.clip : 1024.0;
    const double sites = static_cast<double>(federation.sites.size());
    const double bound = sites * 0.5001 * clip / 1073741824.0 / divisor + std::fabs(exact) * 0x1p-24;
    CAPTURE(i, exact, mean[i], bound);
    REQUIRE(std::fabs(static_cast<double>(mean[i]) - exact) <= bound);
  }
}

TEST_CASE("every order of arrival gives the same bytes") {
  const Federation federation = draw(GENERATE(range(100u, 110u)));
  auto order = in_order(federation);
  const auto reference = fold_all(federation, order);
  std::mt19937_64 random(5);
  for (int i = 0; i < 5; ++i) {
    std::shuffle(order.begin(), order.end(), random);
    const auto sum = fold_all(federation, order);
    REQUIRE(std::equal(sum.words().begin(), sum.words().end(), reference.words().begin(), reference.words().end()));
  }
}

TEST_CASE("when all members answer, population and cohort weighting agree") {
  WeightingFacts facts{
      .contributors = 4, .members = 4, .normaliser = 100, .contributed_examples = 100, .member_examples = 100};
  CHECK(mean_divisor(job::Weighting::kCohort, facts).value() == 1.0);
  CHECK(mean_divisor(job::Weighting::kPopulation, facts).value() == 1.0);
  // Two sites joined after N was counted.
  facts = {.contributors = 6, .members = 6, .normaliser = 100, .contributed_examples = 180, .member_examples = 180};
  CHECK(mean_divisor(job::Weighting::kCohort, facts).value() == 1.8);
  CHECK(mean_divisor(job::Weighting::kPopulation, facts).value() == 1.8);
}

TEST_CASE("population weighting divides by the share of members in the sum") {
  const WeightingFacts facts{
      .contributors = 1, .members = 4, .normaliser = 100, .contributed_examples = 70, .member_examples = 100};
  CHECK(mean_divisor(job::Weighting::kPopulation, facts).value() == 0.25);
  CHECK(mean_divisor(job::Weighting::kCohort, facts).value() == 0.7);
}

TEST_CASE("a mean over nothing is refused") {
  CHECK_FALSE(mean_divisor(job::Weighting::kCohort, {.contributors = 0, .members = 4, .normaliser = 10}).has_value());
  CHECK_FALSE(mean_divisor(job::Weighting::kCohort, {.contributors = 1, .members = 4, .normaliser = 10}).has_value());
  CHECK_FALSE(mean_divisor(job::Weighting::kCohort, {.contributors = 1, .members = 4, .normaliser = 0}).has_value());
  CHECK_FALSE(mean_divisor(job::Weighting::kPopulation,
                           {.contributors = 5, .members = 4, .normaliser = 10, .member_examples = 10})
                  .has_value());
}
