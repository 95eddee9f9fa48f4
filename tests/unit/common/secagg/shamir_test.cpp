#include "common/secagg/shamir.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>

#include "common/crypto/sha256.h"
#include "tests/catch.h"
#include "tests/unit/common/crypto/hex.h"

using namespace consilium::secagg;
using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

SecretBytes random_secret(std::size_t size) {
  auto secret = SecretBytes::allocate(size).value();
  REQUIRE(SystemRandom().fill(secret.bytes()));
  return secret;
}

std::vector<SecretBytes> split_at_random(const SecretBytes& secret, unsigned threshold, unsigned shares) {
  SystemRandom random;
  return split(secret, threshold, shares, random).value();
}

/// Returns the shares that the bits of `chosen` select.
std::vector<ShareView> views(const std::vector<SecretBytes>& shares, unsigned chosen) {
  std::vector<ShareView> result;
  for (unsigned i = 0; i < shares.size(); ++i) {
    if ((chosen >> i & 1u) != 0) result.push_back({static_cast<std::uint8_t>(i + 1), shares[i].bytes()});
  }
  return result;
}

bool same(const SecretBytes& a, const SecretBytes& b) { return equal_in_constant_time(a.bytes(), b.bytes()); }

/// Splits one byte with the given coefficients of x, x^2, ...
std::vector<SecretBytes> split_byte(unsigned secret, const std::vector<unsigned>& coefficients, unsigned shares) {
  std::vector<std::uint8_t> script;
  for (const unsigned coefficient : coefficients) {
    script.push_back(static_cast<std::uint8_t>(coefficient));
    script.resize(script.size() + 7);  // random bytes are drawn in whole words of eight
  }
  ScriptedRandom random(script);
  const std::uint8_t byte = static_cast<std::uint8_t>(secret);
  return split(SecretBytes::copy_of({&byte, 1}).value(), static_cast<unsigned>(coefficients.size()) + 1, shares, random)
      .value();
}

ErrorCode refusal(const std::vector<ShareView>& shares) { return combine(shares).error().code; }

}  // namespace

TEST_CASE("a share is the polynomial's value: known answers from the products in FIPS 197") {
  const auto line = split_byte(0x35, {0x57}, 0x83);  // 35 + 57 x
  CHECK(line[0x02 - 1].bytes()[0] == (0x35 ^ 0xae));
  CHECK(line[0x04 - 1].bytes()[0] == (0x35 ^ 0x47));
  CHECK(line[0x08 - 1].bytes()[0] == (0x35 ^ 0x8e));
  CHECK(line[0x10 - 1].bytes()[0] == (0x35 ^ 0x07));
  CHECK(line[0x13 - 1].bytes()[0] == (0x35 ^ 0xfe));
  CHECK(line[0x83 - 1].bytes()[0] == (0x35 ^ 0xc1));
  const auto parabola = split_byte(0x35, {0x57, 0x01}, 8);  // 35 + 57 x + x^2
  CHECK(parabola[2 - 1].bytes()[0] == (0x35 ^ 0xae ^ 0x04));
  CHECK(parabola[8 - 1].bytes()[0] == (0x35 ^ 0x8e ^ 0x40));
}

TEST_CASE("every set of enough shares gives the secret, and no smaller set does") {
  const auto secret = random_secret(32);
  for (unsigned n = 1; n <= 6; ++n) {
    for (unsigned t = 1; t <= n; ++t) {
      const auto shares = split_at_random(secret, t, n);
      REQUIRE(shares.size() == n);
      for (unsigned chosen = 1; chosen < (1u << n); ++chosen) {
        const auto size = static_cast<unsigned>(std::popcount(chosen));
        CAPTURE(n, t, chosen);
        CHECK(same(combine(views(shares, chosen)).value(), secret) == (size >= t));
      }
    }
  }
}

TEST_CASE("shares may come in any order, for secrets of any size") {
  const std::size_t size = GENERATE(1UL, 7UL, 8UL, 9UL, 31UL, 32UL, 33UL, 64UL);
  const auto secret = random_secret(size);
  const auto shares = split_at_random(secret, 3, 5);
  CHECK(std::ranges::all_of(shares, [&](const SecretBytes& share) { return share.size() == size; }));
  auto chosen = views(shares, 0b11010);
  std::ranges::reverse(chosen);
  CHECK(same(combine(chosen).value(), secret));
}

TEST_CASE("134 of 200 shares give a secret of 64 bytes, and 255 of 255") {
  const auto [threshold, count] = GENERATE(table<unsigned, unsigned>({{134, 200}, {255, 255}, {1, 255}}));
  const auto secret = random_secret(64);
  const auto shares = split_at_random(secret, threshold, count);
  std::vector<unsigned> ranks(count);
  std::iota(ranks.begin(), ranks.end(), 0u);
  std::ranges::shuffle(ranks, std::mt19937(7));
  std::vector<ShareView> chosen;
  for (unsigned i = 0; i < threshold; ++i) {
    chosen.push_back({static_cast<std::uint8_t>(ranks[i] + 1), shares[ranks[i]].bytes()});
  }
  CHECK(same(combine(chosen).value(), secret));
}

TEST_CASE("one share of two says nothing: for any secret it takes each value for one coefficient") {
  const unsigned secret = GENERATE(0u, 1u, 0x80u, 0xffu);
  std::array<std::array<unsigned, 256>, 3> seen{};
  for (unsigned coefficient = 0; coefficient < 256; ++coefficient) {
    const auto shares = split_byte(secret, {coefficient}, 3);
    for (std::size_t i = 0; i < 3; ++i) ++seen[i][shares[i].bytes()[0]];
  }
  for (const auto& counts : seen) CHECK(std::ranges::all_of(counts, [](unsigned count) { return count == 1; }));
}

TEST_CASE("two shares of three say nothing: for any secret they take each pair of values for one polynomial") {
  const unsigned secret = GENERATE(0u, 0xa7u);
  std::vector<unsigned> seen(65536);
  for (unsigned polynomial = 0; polynomial < 65536; ++polynomial) {
    const auto shares = split_byte(secret, {polynomial & 0xff, polynomial >> 8}, 4);
    ++seen[shares[1].bytes()[0] * 256u + shares[3].bytes()[0]];
  }
  CHECK(std::ranges::all_of(seen, [](unsigned count) { return count == 1; }));
}

TEST_CASE("each byte of a secret, and each split, has coefficients of its own") {
  const auto secret = SecretBytes::allocate(64).value();  // equal bytes
  const auto once = split_at_random(secret, 2, 2);
  const auto again = split_at_random(secret, 2, 2);
  CHECK_FALSE(same(once[0], again[0]));
  const auto bytes = once[0].bytes();
  CHECK_FALSE(std::ranges::all_of(bytes, [&](auto byte) { return byte == bytes.front(); }));
}

TEST_CASE("a false share gives another secret") {
  const auto secret = random_secret(32);
  auto shares = split_at_random(secret, 3, 5);
  shares[2].bytes()[31] ^= 1;
  CHECK(same(combine(views(shares, 0b11010)).value(), secret));
  CHECK_FALSE(same(combine(views(shares, 0b11100)).value(), secret));
}

TEST_CASE("what can't be split is refused, and nothing is split without randomness") {
  SystemRandom random;
  const auto secret = random_secret(32);
  for (const auto& [threshold, shares] : {std::pair{0u, 5u}, {6u, 5u}, {1u, 0u}, {2u, 256u}}) {
    CHECK(split(secret, threshold, shares, random).error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(split(SecretBytes(), 2, 3, random).error().code == ErrorCode::kInvalidArgument);
  ScriptedRandom nothing({});
  CHECK(split(secret, 2, 3, nothing).error().code == ErrorCode::kInternal);
}

TEST_CASE("shares that don't belong together are refused") {
  const auto shares = split_at_random(random_secret(32), 2, 3);
  const auto good = views(shares, 0b011);
  CHECK(refusal({}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({{1, {}}, {2, {}}}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({good[0], good[0]}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({good[0], {0, good[1].value}}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({good[0], {2, good[1].value.first(31)}}) == ErrorCode::kInvalidArgument);
}
