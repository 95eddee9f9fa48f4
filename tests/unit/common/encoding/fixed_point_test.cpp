#include "common/encoding/fixed_point.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::encoding;

namespace {

__extension__ typedef __int128 Wide;

/// Returns numerator / denominator (> 0), rounded half to even, exactly.
std::int64_t round_half_even(Wide numerator, Wide denominator) {
  Wide quotient = numerator / denominator;
  Wide rest = numerator % denominator;
  if (rest < 0) {
    rest += denominator;
    --quotient;
  }
  const Wide twice = 2 * rest;
  if (twice > denominator || (twice == denominator && quotient % 2 != 0)) ++quotient;
  return static_cast<std::int64_t>(quotient);
}

std::uint32_t word_of(float value, const Field& field, double weight) {
  std::vector<std::uint32_t> word(1);
  Field one = field;
  one.elements = 1;
  const auto clipped = encode_fixed_point(std::span(&value, 1), one, weight, word);
  REQUIRE(clipped.has_value());
  return word[0];
}

Wide power_of_two(int exponent) { return Wide{1} << exponent; }

}  // namespace

TEST_CASE("where every product is exact, a word is the exact product rounded half to even") {
  // x = m / 2^k, w = n / 2^j and a scale that is a power of two, so only the last step rounds.
  const int seed = GENERATE(range(0, 20));
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const int clip_bits = static_cast<int>(random() % 8);
  const Field field = fixed_point_field("x", 1, std::ldexp(1.0, clip_bits));
  REQUIRE(field.scale == std::ldexp(1.0, 30 - clip_bits));
  for (int i = 0; i < 500; ++i) {
    const int k = 12 + static_cast<int>(random() % 24);
    const int j = static_cast<int>(random() % 12);
    const auto limit =
        std::min<std::int64_t>((std::int64_t{1} << 24) - 1, std::int64_t{1} << std::min(62, clip_bits + k));
    const auto m = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(2 * limit + 1)) - limit;
    const auto n = static_cast<std::int64_t>(random() % ((1u << j) + 1));
    const auto x = static_cast<float>(std::ldexp(static_cast<double>(m), -k));
    const double w = std::ldexp(static_cast<double>(n), -j);
    const std::int64_t expected = round_half_even(Wide{m} * n * power_of_two(30 - clip_bits), power_of_two(k + j));
    CAPTURE(m, k, n, j, clip_bits);
    REQUIRE(word_of(x, field, w) == static_cast<std::uint32_t>(expected));
  }
}

TEST_CASE("ties go to the even word, on both sides of zero") {
  const Field field = fixed_point_field("x", 1, 1073741824.0);  // scale 1
  REQUIRE(field.scale == 1.0);
  const std::vector<std::pair<float, std::int32_t>> cases = {{0.5f, 0},   {1.5f, 2},   {2.5f, 2},  {-0.5f, 0},
                                                             {-1.5f, -2}, {-2.5f, -2}, {0.75f, 1}, {-3.25f, -3}};
  for (const auto& [value, word] : cases) CHECK(word_of(value, field, 1.0) == static_cast<std::uint32_t>(word));
}

TEST_CASE("with any weight and clip, a word is within half a unit of the exact rational value") {
  const int seed = GENERATE(range(0, 20));
  std::mt19937_64 random(static_cast<std::uint64_t>(seed) + 1000);
  const auto clip = static_cast<float>(std::uniform_real_distribution<double>(0.01, 2000.0)(random));
  const Field field = fixed_point_field("x", 1, clip);
  const auto scale = static_cast<std::int64_t>(field.scale);
  for (int i = 0; i < 500; ++i) {
    const auto total = static_cast<std::int64_t>(1 + random() % 1000000);
    const auto n = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(total + 1));
    const int k = 10 + static_cast<int>(random() % 20);
    const auto m = static_cast<std::int64_t>(random() % (1u << 25)) - (1 << 24);
    const auto x = static_cast<float>(std::ldexp(static_cast<double>(m), -k));
    if (std::fabs(x) > clip) continue;
    const auto word = static_cast<std::int32_t>(word_of(x, field, static_cast<double>(n) / static_cast<double>(total)));
    // |word - n/N m/2^k s| <= 1/2 + 2^-20, times N 2^k 2^20.
    const Wide difference = (Wide{word} * total * power_of_two(k) - Wide{n} * m * scale) * power_of_two(20);
    const Wide allowed = Wide{total} * power_of_two(k) * (power_of_two(19) + 1);
    REQUIRE((difference < 0 ? -difference : difference) <= allowed);
  }
}

TEST_CASE("a block of values and each value alone give the same words and the same count of clipped ones") {
  const std::size_t size = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1023}, std::size_t{1024},
                                    std::size_t{1025}, std::size_t{5000});
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> values(size);
  for (float& value : values) value = normal(random);
  const Field field = fixed_point_field("x", size, 1.25);
  std::vector<std::uint32_t> words(size);
  const auto clipped = encode_fixed_point(values, field, 0.37, words);
  REQUIRE(clipped.has_value());
  std::uint64_t expected_clipped = 0;
  for (std::size_t i = 0; i < size; ++i) {
    REQUIRE(words[i] == word_of(values[i], field, 0.37));
    if (std::fabs(values[i]) > 1.25f) ++expected_clipped;
  }
  CHECK(*clipped == expected_clipped);
}

TEST_CASE("what exceeds the clip is encoded as the clip and counted") {
  const Field field = fixed_point_field("x", 4, 16.0);
  const std::vector<float> values = {16.0f, std::nextafter(16.0f, 17.0f), -1e30f, -16.0f};
  std::vector<std::uint32_t> words(4);
  CHECK(encode_fixed_point(values, field, 1.0, words).value() == 2);
  CHECK(words == std::vector<std::uint32_t>{1u << 30, 1u << 30, 0u - (1u << 30), 0u - (1u << 30)});
}

TEST_CASE("NaN and infinity are refused at the first index") {
  const Field field = fixed_point_field("parameters.0", 3000, 16.0);
  std::vector<float> values(3000, 0.5f);
  std::vector<std::uint32_t> words(3000);
  const float bad = GENERATE(std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
                             std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity());
  const std::size_t index = GENERATE(std::size_t{0}, std::size_t{1500}, std::size_t{2999});
  values[index] = bad;
  const auto result = encode_fixed_point(values, field, 1.0, words);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(result.error().message,
             Catch::Contains("parameters.0") && Catch::Contains("element " + std::to_string(index)));
}

TEST_CASE("a weight outside 0 to 1 and spans of the wrong size are refused") {
  const Field field = fixed_point_field("x", 3, 16.0);
  const std::vector<float> values(3);
  std::vector<std::uint32_t> words(3);
  for (const double weight : {-0.1, 1.0000001, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_FALSE(encode_fixed_point(values, field, weight, words).has_value());
  }
  CHECK_FALSE(encode_fixed_point(std::span(values).first(2), field, 1.0, words).has_value());
  CHECK_FALSE(encode_fixed_point(values, field, 1.0, std::span(words).first(2)).has_value());
  CHECK_FALSE(encode_fixed_point(values, count_field("x", 3, 1), 1.0, words).has_value());
}

TEST_CASE("a sum is decoded in place to the same floats as into another buffer") {
  const std::size_t size = 4099;
  const Field field = fixed_point_field("x", size, 16.0);
  std::mt19937 random(3);
  std::vector<std::uint32_t> words(size);
  for (auto& word : words) word = static_cast<std::uint32_t>(random());
  std::vector<float> apart(size);
  decode_fixed_point(words, field, 0.7, apart);
  for (std::size_t i = 0; i < size; ++i) {
    REQUIRE(apart[i] ==
            static_cast<float>(static_cast<double>(static_cast<std::int32_t>(words[i])) / (field.scale * 0.7)));
  }
  std::vector<float> memory(size);
  std::memcpy(memory.data(), words.data(), size * 4);
  decode_fixed_point(std::span(reinterpret_cast<const std::uint32_t*>(memory.data()), size), field, 0.7, memory);
  CHECK(memory == apart);
}

TEST_CASE("counts survive being split in limbs, summed and joined") {
  const std::uint64_t max_value = GENERATE(0xFFFFull, 0x10000ull, 0xFFFFFFFFull, 0xFFFFFFFFFFFFull);
  const std::size_t sites = 300;
  const Field field = count_field("examples", 5, max_value);
  std::mt19937_64 random(max_value);
  std::vector<std::uint64_t> expected(5, 0);
  std::vector<std::uint32_t> sum(field.words(), 0);
  for (std::size_t site = 0; site < sites; ++site) {
    std::vector<std::uint64_t> values(5);
    for (auto& value : values) value = random() % (max_value + 1);
    values[0] = max_value;
    std::vector<std::uint32_t> words(field.words());
    REQUIRE(encode_counts(values, field, words).has_value());
    add_words(words, sum);
    for (std::size_t i = 0; i < 5; ++i) expected[i] += values[i];
  }
  std::vector<std::uint64_t> decoded(5);
  REQUIRE(decode_counts(sum, field, decoded).has_value());
  CHECK(decoded == expected);
}

TEST_CASE("a count that its limbs can't hold is refused by field and element") {
  const Field field = count_field("confusion", 3, 0xFFFF);
  std::vector<std::uint32_t> words(3);
  const auto result = encode_counts(std::vector<std::uint64_t>{1, 2, 0x10000}, field, words);
  REQUIRE_FALSE(result.has_value());
  CHECK_THAT(result.error().message, Catch::Contains("confusion") && Catch::Contains("element 2"));
}

TEST_CASE("limb sums beyond 64 bits are data loss, at every limb") {
  const Field field = count_field("loss", 1, ~std::uint64_t{0});
  REQUIRE(field.limbs == 4);
  std::vector<std::uint64_t> value(1);
  CHECK(decode_counts(std::vector<std::uint32_t>{0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF}, field, value).has_value());
  CHECK(value[0] == ~std::uint64_t{0});
  CHECK(decode_counts(std::vector<std::uint32_t>{0xFFFFFFFF, 0, 0, 0xFFFF}, field, value).has_value());
  for (const auto& words :
       {std::vector<std::uint32_t>{0, 0, 0, 0x10000}, std::vector<std::uint32_t>{0x10000, 0xFFFF, 0xFFFF, 0xFFFF},
        std::vector<std::uint32_t>{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}}) {
    const auto result = decode_counts(words, field, value);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::kDataLoss);
  }
}

TEST_CASE("words are added mod 2^32") {
  std::vector<std::uint32_t> sum = {0xFFFFFFFFu, 5u};
  add_words(std::vector<std::uint32_t>{2u, 6u}, sum);
  CHECK(sum == std::vector<std::uint32_t>{1u, 11u});
}
