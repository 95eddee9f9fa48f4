#include <array>
#include <cmath>

#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium_bench.h"

/// One site's upload looks like noise, whatever it hides. True noise breaks each bound with a probability below 1e-9.
/// The keys come from a fixed seed, so the outcome is the same each time.
namespace consilium::secagg {
namespace {

constexpr std::size_t kWords = 2'621'440;  // 10 MiB
constexpr double kSixSigma = 6.11;         // two-sided, 1e-9

using Words = std::vector<std::uint32_t>;

/// Returns site 1's upload of `values` in an attempt of three sites.
Words upload(const Words& values, std::uint64_t seed) {
  const QuickConsortium consortium(3);
  BenchSetup setup;
  setup.seed = seed;
  setup.words = values.size();
  setup.vectors = {values, values, values};
  ConsortiumBench bench(consortium, setup);
  bench.run_until(Drop::kUpload);
  REQUIRE(bench.deliver(1, bench.next<Boxes>(1)));
  return bench.mask_vector(1);
}

/// Returns an update as fixed-point encoding gives it: small, of both signs, far from uniform.
Words update() {
  Words words(kWords);
  for (std::size_t i = 0; i < kWords; ++i)
    words[i] =
        static_cast<std::uint32_t>(std::lround(1e6 * std::sin(static_cast<double>(i) / 50)) + static_cast<long>(i % 7));
  return words;
}

double chi_square_of_bytes(const Words& words) {
  std::array<double, 256> counts{};
  for (const std::uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) ++counts[word >> shift & 0xFF];
  }
  const double expected = static_cast<double>(words.size()) * 4 / 256;
  double sum = 0;
  for (const double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

/// Returns Pearson's correlation of two vectors of signed words, in units of its standard deviation for independent
/// ones.
double correlation(const Words& a, const Words& b) {
  double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<std::int32_t>(a[i]);
    const double y = static_cast<std::int32_t>(b[i]);
    sum_a += x, sum_b += y, aa += x * x, bb += y * y, ab += x * y;
  }
  const double n = static_cast<double>(a.size());
  const double covariance = ab - sum_a * sum_b / n;
  return covariance / std::sqrt((aa - sum_a * sum_a / n) * (bb - sum_b * sum_b / n)) * std::sqrt(n);
}

std::size_t equal_words(const Words& a, const Words& b) {
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return equal;
}

}  // namespace

TEST_CASE("the bytes of a masked vector of zeros are evenly spread: 10 MiB, chi-square") {
  // Quantile 1 - 1e-9 of chi-square with 255 degrees of freedom (Wilson and Hilferty 1931). The values must also not be
  // too even.
  CHECK(chi_square_of_bytes(Words(kWords)) > 1e6);  // the test detects values that aren't noise
  const double spread = chi_square_of_bytes(upload(Words(kWords), 1));
  CHECK(spread < 415);
  CHECK(spread > 140);
}

TEST_CASE("two attempts at the same update share nothing") {
  const Words values = update();
  const Words one = upload(values, 1);
  const Words other = upload(values, 2);
  CHECK(equal_words(values, values) == kWords);
  CHECK(equal_words(one, other) <= 2);  // expected: 0.0006
  CHECK(std::abs(correlation(one, other)) < kSixSigma);
  Words difference = one;
  for (std::size_t i = 0; i < kWords; ++i) difference[i] -= other[i];
  CHECK(chi_square_of_bytes(difference) < 415);
}

TEST_CASE("an upload doesn't correlate with the update in it, nor with itself one word on") {
  const Words values = update();
  const Words masked = upload(values, 3);
  CHECK(std::abs(correlation(masked, values)) < kSixSigma);
  CHECK(std::abs(correlation(values, values)) > 1000);
  CHECK(equal_words(masked, values) <= 2);
  const Words head(masked.begin(), masked.end() - 1);
  const Words tail(masked.begin() + 1, masked.end());
  CHECK(std::abs(correlation(head, tail)) < kSixSigma);
}

}  // namespace consilium::secagg
