#include "common/secagg/tag.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/secagg/sum_keys.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {
namespace {

using Words = std::vector<std::uint32_t>;

crypto::SecretBytes draw(crypto::RandomSource& random, std::size_t size = kFieldSecretBytes) {
  crypto::SecretBytes secret = crypto::SecretBytes::allocate(size).value();
  need(random.fill(secret.bytes()));
  return secret;
}

FieldElement element(const crypto::SecretBytes& secret) {
  return field_from(secret.bytes().first<kFieldSecretBytes>());
}

/// Computes sum_j r^(j+1) x_j term by term, by division.
FieldElement slow_value(FieldElement r, const Words& words) {
  FieldElement power = 1;
  FieldElement sum = 0;
  for (const std::uint32_t word : words) {
    power = static_cast<FieldElement>(static_cast<Wide>(power) * r % kFieldPrime);
    Wide term = static_cast<Wide>(power) * static_cast<std::int32_t>(word) % kFieldPrime;
    if (term < 0) term += kFieldPrime;
    sum = (sum + static_cast<FieldElement>(term)) % kFieldPrime;
  }
  return sum;
}

Words draw_words(SeededRandom& random, std::size_t count) {
  Words words(count);
  need(random.fill({reinterpret_cast<std::uint8_t*>(words.data()), count * sizeof(std::uint32_t)}));
  return words;
}

std::vector<MaskTerm> draw_terms(SeededRandom& random, std::size_t count) {
  std::vector<MaskTerm> terms;
  for (std::size_t i = 0; i < count; ++i) terms.push_back({draw(random, 32), random.below(2) == 1});
  return terms;
}

/// A total of three groups whose sums are over three, four and five sites, and what a site needs to check it.
struct Total {
  SeededRandom random{17};
  crypto::SecretBytes r = draw(random);
  Words words;
  std::vector<GroupTag> groups;

  explicit Total(std::size_t count) : words(count) {
    for (const std::uint64_t members : {3U, 4U, 5U}) {
      GroupTag& group = groups.emplace_back();
      group.members = members;
      group.offset = draw(random);
      for (std::uint64_t site = 0; site < members; ++site) {
        Words vector = draw_words(random, count);
        for (std::uint32_t& word : vector) word = static_cast<std::uint32_t>(static_cast<std::int32_t>(word) / 16);
        for (std::size_t j = 0; j < count; ++j) words[j] += vector[j];
        const FieldElement tag = masked_tag(group.offset, accumulate_tag(r, vector).value(), 0).value();
        group.tag = field_add(group.tag, tag);
      }
    }
  }
  [[nodiscard]] bool fits() const { return check_tag(accumulate_tag(r, words).value(), groups); }
};

}  // namespace

TEST_CASE("a tag agrees with the vector of another implementation") {
  crypto::SecretBytes key = crypto::SecretBytes::allocate(32).value();
  for (std::size_t i = 0; i < 32; ++i) key.bytes()[i] = static_cast<std::uint8_t>(i);
  const auto r = tag_key(key, job::SumKind::kTrain, 7).value();
  const auto s = tag_offset(key, job::SumKind::kTrain, 7, 3, crypto::sha256("a cohort")).value();
  Words words{0, 1, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF};
  for (std::uint32_t i = 5; i < 3000; ++i) words.push_back(i * 2654435761U);
  const FieldElement value = accumulate_tag(r, words).value();
  CHECK(value == 0x61f95e214dc37b7);
  CHECK(masked_tag(s, value, 0).value() == 0xa74b0bd79bc1d3);
}

TEST_CASE("a tag's value is the sum of powers times words, whatever the pieces, the parts and the threads") {
  SeededRandom random(5);
  for (const std::size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 1021U, 1022U, 1023U, 1024U, 2044U, 2045U, 5000U}) {
    const auto r = draw(random);
    const Words words = draw_words(random, count);
    const FieldElement expected = slow_value(element(r), words);
    CHECK(accumulate_tag(r, words).value() == expected);
    auto whole = TagAccumulator::create(r).value();
    FieldElement parts = 0;
    for (std::size_t at = 0; at < count;) {
      const std::size_t piece = std::min(count - at, 1 + random.below(1500));
      whole.add(std::span(words).subspan(at, piece));
      auto part = TagAccumulator::create(r, at).value();
      part.add(std::span(words).subspan(at, piece));
      parts = field_add(parts, part.value());
      at += piece;
    }
    CHECK(whole.value() == expected);
    CHECK(parts == expected);
  }
  const auto r = draw(random);
  const Words words = draw_words(random, 300'001);
  for (const unsigned threads : {0U, 1U, 2U, 3U, 7U})
    CHECK(accumulate_tag(r, words, threads).value() == slow_value(element(r), words));
}

TEST_CASE("the largest powers and words of either sign don't overflow") {
  crypto::SecretBytes r = crypto::SecretBytes::allocate(kFieldSecretBytes).value();
  const FieldElement largest = kFieldPrime - 1;  // r^1 = -1, r^2 = 1
  std::memcpy(r.bytes().data(), &largest, sizeof(largest));
  for (const std::uint32_t word : {0x80000000U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    const Words words(4001, word);
    CHECK(accumulate_tag(r, words).value() == slow_value(largest, words));
  }
}

TEST_CASE("a tag's mask is what stands in each keystream behind the last word") {
  SeededRandom random(6);
  for (const std::size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 1023U, 4096U}) {
    const auto terms = draw_terms(random, 5);
    FieldElement expected = 0;
    for (const MaskTerm& term : terms) {
      std::vector<MaskTerm> alone;
      alone.push_back({term.key.clone().value(), false});
      Words keystream(count + 2);
      need(add_masks(alone, 0, keystream));
      const std::uint64_t bytes = std::uint64_t{keystream[count + 1]} << 32 | keystream[count];
      expected = term.subtract ? field_sub(expected, bytes % kFieldPrime) : field_add(expected, bytes % kFieldPrime);
    }
    CHECK(tag_mask(terms, count).value() == expected);
  }
  CHECK(tag_mask({}, 10).value() == 0);
}

TEST_CASE("secrets of another size are refused") {
  SeededRandom random(7);
  CHECK(TagAccumulator::create(draw(random, 8)).error().code == ErrorCode::kInvalidArgument);
  CHECK(accumulate_tag(draw(random, 32), Words(3)).error().message == "secret of a tag: expected 16 bytes, found 32");
  CHECK_FALSE(masked_tag(draw(random, 15), 0, 0));
  std::vector<MaskTerm> terms;
  terms.push_back({draw(random, 16), false});
  CHECK_FALSE(tag_mask(terms, 0));
  std::vector<GroupTag> groups;
  groups.push_back({0, draw(random, 15), 0});
  CHECK_FALSE(check_tag(0, groups));
}

TEST_CASE("the true total fits its groups' tags") {
  for (const std::size_t count : {1U, 7U, 1022U, 3000U}) CHECK(Total(count).fits());
}

TEST_CASE("no total with a word changed fits: 20,000 tries") {
  Total total(50);
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t at = total.random.below(50);
    const auto change = static_cast<std::uint32_t>(1 + total.random.below(UINT32_MAX));
    total.words[at] += change;
    if (total.fits()) FAIL("word " << at << " plus " << change);
    total.words[at] -= change;
  }
  CHECK(total.fits());
}

TEST_CASE("no other total fits: exchanged, shifted, scaled, zero or random") {
  const auto fits = [](const auto& change) {
    Total total(40);
    change(total);
    return total.fits();
  };
  CHECK_FALSE(fits([](Total& total) { std::swap(total.words[3], total.words[4]); }));
  CHECK_FALSE(fits([](Total& total) { std::rotate(total.words.begin(), total.words.begin() + 1, total.words.end()); }));
  CHECK_FALSE(fits([](Total& total) {
    for (std::uint32_t& word : total.words) word *= 2;
  }));
  CHECK_FALSE(fits([](Total& total) { total.words.assign(40, 0); }));
  CHECK_FALSE(fits([](Total& total) { total.words = draw_words(total.random, 40); }));
  CHECK_FALSE(fits([](Total& total) { total.words.push_back(1); }));
  CHECK(fits([](Total& total) { total.words.push_back(0); }));  // the tag doesn't cover a length; the layout fixes it
}

TEST_CASE("a total fits neither other groups, nor other counts of members, nor a tag that isn't below p") {
  const auto fits = [](const auto& change) {
    Total total(40);
    change(total.groups);
    return total.fits();
  };
  using Groups = std::vector<GroupTag>;
  CHECK_FALSE(fits([](Groups& groups) { groups.pop_back(); }));
  CHECK_FALSE(fits([](Groups& groups) { groups[0].members = 4; }));
  CHECK_FALSE(fits([](Groups& groups) { std::swap(groups[0].members, groups[1].members); }));
  CHECK_FALSE(fits([](Groups& groups) { std::swap(groups[0].offset, groups[1].offset); }));
  CHECK_FALSE(fits([](Groups& groups) { groups[0].tag = field_add(groups[0].tag, 1); }));
  CHECK_FALSE(fits([](Groups& groups) { groups[0].tag += kFieldPrime; }));  // the same element, other bytes
  CHECK_FALSE(fits([](Groups& groups) { groups[0].tag = UINT64_MAX; }));
  CHECK_FALSE(fits([](Groups& groups) {
    groups.push_back({groups[0].members, groups[0].offset.clone().value(), groups[0].tag});
  }));
}

TEST_CASE("one group's sum doesn't count as two, where round and group stand in the offset") {
  // Without the group in it, s is the same for both, and twice the words fit twice the tag.
  SeededRandom random(9);
  const auto key = draw(random, kSumKeyBytes);
  const auto cohort = crypto::sha256("a cohort");
  const auto offset = [&](std::uint32_t round, std::uint32_t group) {
    return tag_offset(key, job::SumKind::kTrain, round, group, cohort).value();
  };
  const auto r = tag_key(key, job::SumKind::kTrain, 1).value();
  Words words{1, 2, 3};
  FieldElement tag = accumulate_tag(r, words).value();
  for (int site = 0; site < 3; ++site) tag = field_add(tag, element(offset(1, 0)));
  for (std::uint32_t& word : words) word *= 2;
  const auto twice = [&](std::uint32_t other) {
    std::vector<GroupTag> groups;
    groups.push_back({3, offset(1, 0), tag});
    groups.push_back({3, offset(1, other), tag});
    return check_tag(accumulate_tag(r, words).value(), groups);
  };
  CHECK(twice(0));  // therefore groups must be distinct
  CHECK_FALSE(twice(1));
}

}  // namespace consilium::secagg
