#include "common/secagg/mask.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "common/crypto/aes_ctr.h"
#include "tests/catch.h"
#include "tests/unit/common/crypto/hex.h"

using namespace consilium::secagg;
using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

using Words = std::vector<std::uint32_t>;

MaskTerm term(unsigned seed, bool subtract = false) {
  const std::vector<std::uint8_t> key(32, static_cast<std::uint8_t>(seed));
  return {SecretBytes::copy_of(key).value(), subtract};
}

std::vector<MaskTerm> terms(unsigned count) {
  std::vector<MaskTerm> result;
  for (unsigned i = 0; i < count; ++i) result.push_back(term(i, i % 3 == 1));
  return result;
}

Words random_words(std::size_t count) {
  std::mt19937 generator(5);
  Words words(count);
  for (auto& word : words) word = static_cast<std::uint32_t>(generator());
  return words;
}

Words masked(std::span<const MaskTerm> terms, std::uint64_t first_word, Words words, unsigned threads = 1) {
  REQUIRE(add_masks(terms, first_word, words, threads));
  return words;
}

/// Computes the same from the definition: block by block, word by word.
Words masked_by_definition(std::span<const MaskTerm> terms, Words words) {
  for (const MaskTerm& term : terms) {
    auto stream = AesCtrStream::begin(term.key, {}).value();
    for (auto& word : words) {
      std::array<std::uint8_t, 4> bytes{};
      REQUIRE(stream.next(bytes));
      std::uint32_t mask = 0;
      for (unsigned i = 0; i < 4; ++i) mask |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
      word = term.subtract ? word - mask : word + mask;
    }
  }
  return words;
}

}  // namespace

TEST_CASE("the mask of the zero key is AES-256 of 0, 1, 2, as in GCM's test cases 13 and 14, in little-endian words") {
  const std::vector<MaskTerm> zero = terms(1);
  CHECK(masked(zero, 0, Words(12)) == Words{0x78c095dc, 0x898940a2, 0x14a248ad, 0x87208492, 0xfb8a0f53, 0xb93645c7,
                                            0xf1b463a9, 0x8b73cbc4, 0x3d40a7ce, 0x6e6b604d, 0xd3c54e07, 0x189df3ba});
  const MaskTerm taken[] = {term(0, true)};
  CHECK(masked(taken, 0, Words(1)) == Words{0u - 0x78c095dcu});
}

TEST_CASE("every term is added or subtracted as the definition says, over many chunks") {
  const auto all = terms(7);
  const auto words = random_words(5003);
  CHECK(masked(all, 0, words) == masked_by_definition(all, words));
}

TEST_CASE("pairwise masks cancel in the sum of all sites") {
  constexpr unsigned kSites = 5;
  const auto input = random_words(3001);
  Words sum(input.size());
  for (unsigned i = 0; i < kSites; ++i) {
    std::vector<MaskTerm> pairs;
    for (unsigned j = 0; j < kSites; ++j) {
      if (j != i) pairs.push_back(term(std::min(i, j) * 16 + std::max(i, j), j < i));
    }
    const auto upload = masked(pairs, 0, input);
    CHECK(upload != input);
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += upload[k];
  }
  CHECK(std::ranges::equal(sum, input, {}, {}, [](std::uint32_t word) { return kSites * word; }));
}

TEST_CASE("masks that are added and then subtracted leave what was there") {
  auto both = terms(4);
  for (auto& each : terms(4)) both.push_back({std::move(each.key), !each.subtract});
  const auto words = random_words(2048);
  CHECK(masked(both, 0, words) == words);
}

TEST_CASE("masking may begin at any word") {
  const auto all = terms(3);
  const auto whole = masked(all, 0, Words(6000));
  for (const std::size_t first : {1u, 2u, 3u, 4u, 5u, 1023u, 1024u, 1025u, 4099u, 5999u}) {
    CAPTURE(first);
    CHECK(masked(all, first, Words(whole.size() - first)) ==
          Words(whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end()));
  }
}

TEST_CASE("the counter goes on beyond 2^32 blocks") {
  const MaskTerm key[] = {term(9)};
  constexpr std::uint64_t kFirst = std::uint64_t{4} << 32;
  auto stream = AesCtrStream::begin(key[0].key, array_from_hex<16>("00000000000000000000000100000000")).value();
  Words expected(8);
  REQUIRE(stream.next({reinterpret_cast<std::uint8_t*>(expected.data()), 32}));
  CHECK(masked(key, kFirst, Words(8)) == expected);
  const auto across = masked(key, kFirst - 2, Words(4));
  CHECK(std::equal(across.begin() + 2, across.end(), expected.begin()));
}

TEST_CASE("a vector masked piece by piece is masked like the whole") {
  const std::size_t piece = GENERATE(1UL, 3UL, 1000UL, 1024UL, 3000UL);
  const auto all = terms(3);
  const auto words = random_words(9001);
  auto pieces = words;
  auto masker = Masker::create(all, 6).value();
  for (std::size_t at = 0; at < pieces.size(); at += piece) {
    REQUIRE(masker.add(std::span(pieces).subspan(at, std::min(piece, pieces.size() - at))));
  }
  CHECK(pieces == masked(all, 6, words));
}

TEST_CASE("any number of threads gives the same words") {
  const auto all = terms(2);
  const std::size_t size = GENERATE(0UL, 1UL, 65'536UL, 65'537UL, 500'003UL);
  const auto words = random_words(size);
  const auto alone = masked(all, 3, words);
  for (const unsigned threads : {0u, 2u, 3u, 5u, 64u}) {
    CAPTURE(size, threads);
    CHECK(masked(all, 3, words, threads) == alone);
  }
}

TEST_CASE("no terms change nothing, and a key of another size is refused") {
  const auto words = random_words(100);
  CHECK(masked({}, 0, words) == words);
  auto unchanged = words;
  std::vector<MaskTerm> bad = terms(2);
  bad[1].key = SecretBytes::allocate(16).value();
  CHECK(add_masks(bad, 0, unchanged).error().code == ErrorCode::kInvalidArgument);
  CHECK(unchanged == words);
}
