#include "common/random/random_stream.h"

#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "common/random/philox.h"
#include "tests/catch.h"

using consilium::philox4x32_10;
using consilium::RandomPurpose;
using consilium::RandomStream;

namespace {

std::vector<std::uint32_t> first_words(RandomStream stream, std::size_t count) {
  std::vector<std::uint32_t> words(count);
  for (auto& word : words) word = stream.next_u32();
  return words;
}

}  // namespace

TEST_CASE("philox4x32-10 gives the known answers of the Random123 distribution") {
  using Counter = std::array<std::uint32_t, 4>;
  CHECK(philox4x32_10({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(philox4x32_10({ones, ones, ones, ones}, {ones, ones}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is a function of seed, purpose, round and name") {
  const RandomStream stream(7, RandomPurpose::kShuffle, 3, "north");
  const auto words = first_words(stream, 9);
  CHECK(words == first_words(RandomStream(7, RandomPurpose::kShuffle, 3, "north"), 9));
  CHECK(words != first_words(RandomStream(8, RandomPurpose::kShuffle, 3, "north"), 9));
  CHECK(words != first_words(RandomStream(7, RandomPurpose::kDropout, 3, "north"), 9));
  CHECK(words != first_words(RandomStream(7, RandomPurpose::kShuffle, 4, "north"), 9));
  CHECK(words != first_words(RandomStream(7, RandomPurpose::kShuffle, 3, "nort"), 9));
}

TEST_CASE("a stream's words never change from one version to the next") {
  // From an independent implementation: hashlib.sha256 over the length-prefixed inputs, and the paper's rounds in
  // Python.
  const std::vector<std::uint32_t> expected{0x250301ab, 0x59ba10b2, 0xccb76ef0, 0xeceff576, 0xbfedec54, 0xe6dc1e01};
  CHECK(first_words(RandomStream(7, RandomPurpose::kShuffle, 3, "north"), 6) == expected);
}

TEST_CASE("a copied stream goes on from the same position") {
  RandomStream stream(1, RandomPurpose::kCohort, 0, "");
  (void)stream.next_u32();
  RandomStream copy = stream;
  for (int i = 0; i < 10; ++i) CHECK(stream.next_u64() == copy.next_u64());
}

TEST_CASE("floats and doubles lie in [0, 1) and have the mean of a uniform variable") {
  RandomStream stream(1, RandomPurpose::kSynthetic, 0, "");
  double sum = 0;
  constexpr int draws = 20000;
  for (int i = 0; i < draws; ++i) {
    const float narrow = stream.next_float();
    const double wide = stream.next_double();
    REQUIRE((narrow >= 0.0F && narrow < 1.0F));
    REQUIRE((wide >= 0.0 && wide < 1.0));
    REQUIRE(std::ldexp(static_cast<double>(narrow), 24) == std::floor(std::ldexp(static_cast<double>(narrow), 24)));
    sum += wide + static_cast<double>(narrow);
  }
  CHECK(sum / (2 * draws) == Approx(0.5).margin(0.01));
}

TEST_CASE("below() reaches every value evenly and none beyond its bound") {
  RandomStream stream(2, RandomPurpose::kPartition, 0, "");
  std::array<int, 7> seen{};
  for (int i = 0; i < 14000; ++i) {
    const auto value = stream.below(7);
    REQUIRE(value < 7);
    ++seen[value];
  }
  for (const int count : seen) CHECK(count == Approx(2000).margin(200));
  CHECK(stream.below(1) == 0);
  // 3 * 2^62: if it were taken modulo, a 64-bit draw would fall below 2^62 twice as often as it should.
  constexpr std::uint64_t bound = std::uint64_t{3} << 62;
  int low = 0;
  for (int i = 0; i < 6000; ++i) low += stream.below(bound) < (std::uint64_t{1} << 62) ? 1 : 0;
  CHECK(low == Approx(2000).margin(200));
}

TEST_CASE("normal draws have mean 0, variance 1 and the tails of a Gaussian") {
  RandomStream stream(3, RandomPurpose::kSynthetic, 0, "x");
  constexpr int draws = 50000;
  double sum = 0, squares = 0;
  int beyond_two = 0;
  for (int i = 0; i < draws; ++i) {
    const double value = stream.next_normal();
    REQUIRE(std::isfinite(value));
    sum += value;
    squares += value * value;
    beyond_two += std::abs(value) > 2 ? 1 : 0;
  }
  CHECK(sum / draws == Approx(0).margin(0.02));
  CHECK(squares / draws == Approx(1).margin(0.03));
  CHECK(beyond_two / double{draws} == Approx(0.0455).margin(0.005));
}
