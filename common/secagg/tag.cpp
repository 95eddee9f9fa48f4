#include "common/secagg/tag.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <thread>
#include <vector>

#include "common/secagg/mask_stream.h"

namespace consilium::secagg {
namespace {

static_assert(std::endian::native == std::endian::little, "the keystream's tag is taken as it lies in memory");

/// The number of powers of r in the table. The table takes at most half of the first-level cache, and one reduction
/// serves this many words.
constexpr std::size_t kPowers = 1022;
/// These two elements follow the powers in the state.
constexpr std::size_t kScale = kPowers;  ///< r^(words so far)
constexpr std::size_t kValue = kPowers + 1;
/// Starting another thread doesn't pay off for fewer words.
constexpr std::size_t kWordsPerThread = 65536;

std::span<FieldElement> elements(crypto::SecretBytes& state) {
  return {reinterpret_cast<FieldElement*>(state.bytes().data()), kPowers + 2};
}

Wide product(FieldElement power, std::uint32_t word) {
  return Wide{static_cast<std::int64_t>(power)} * static_cast<std::int32_t>(word);
}

/// Computes sum_k powers[k] words[k] modulo p. Each product is below 2^92 in absolute value, so their sum needs no
/// reduction. The code keeps four sums, because each addition waits for the one before it.
FieldElement dot(const FieldElement* powers, std::span<const std::uint32_t> words) {
  std::array<Wide, 4> sums{};
  std::size_t k = 0;
  for (; k + sums.size() <= words.size(); k += sums.size()) {
    sums[0] += product(powers[k], words[k]);
    sums[1] += product(powers[k + 1], words[k + 1]);
    sums[2] += product(powers[k + 2], words[k + 2]);
    sums[3] += product(powers[k + 3], words[k + 3]);
  }
  for (; k < words.size(); ++k) sums[0] += product(powers[k], words[k]);
  return field_from_wide(sums[0] + sums[1] + sums[2] + sums[3]);
}

Result<FieldElement> secret_element(const crypto::SecretBytes& secret) {
  if (secret.size() != kFieldSecretBytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("secret of a tag: expected {} bytes, found {}", kFieldSecretBytes, secret.size()));
  return field_from(secret.bytes().first<kFieldSecretBytes>());
}

}  // namespace

Result<TagAccumulator> TagAccumulator::create(const crypto::SecretBytes& r, std::uint64_t first_word) {
  CONSILIUM_ASSIGN(const FieldElement root, secret_element(r));
  CONSILIUM_ASSIGN(crypto::SecretBytes state, crypto::SecretBytes::allocate((kPowers + 2) * sizeof(FieldElement)));
  const auto all = elements(state);
  all[0] = root;
  for (std::size_t k = 1; k < kPowers; ++k) all[k] = field_mul(all[k - 1], root);
  all[kScale] = field_power(root, first_word);
  all[kValue] = 0;
  return TagAccumulator(std::move(state));
}

void TagAccumulator::add(std::span<const std::uint32_t> words) {
  const auto all = elements(state_);
  while (!words.empty()) {
    const auto block = words.first(std::min(words.size(), kPowers));
    all[kValue] = field_add(all[kValue], field_mul(all[kScale], dot(all.data(), block)));
    all[kScale] = field_mul(all[kScale], all[block.size() - 1]);
    words = words.subspan(block.size());
  }
}

FieldElement TagAccumulator::value() const {
  return reinterpret_cast<const FieldElement*>(state_.bytes().data())[kValue];
}

Result<FieldElement> accumulate_tag(const crypto::SecretBytes& r, std::span<const std::uint32_t> words,
                                    unsigned threads) {
  const auto take_part = [&](std::size_t begin, std::size_t count) -> Result<FieldElement> {
    CONSILIUM_ASSIGN(TagAccumulator accumulator, TagAccumulator::create(r, begin));
    accumulator.add(words.subspan(begin, count));
    return accumulator.value();
  };
  const std::size_t parts = std::clamp<std::size_t>(words.size() / kWordsPerThread, 1, std::max(threads, 1U));
  const std::size_t share = words.size() / parts;
  std::vector<Result<FieldElement>> values(parts);
  {
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < parts; ++part) {
      const std::size_t count = part + 1 < parts ? share : words.size() - part * share;
      others.emplace_back([&, part, count] { values[part] = take_part(part * share, count); });
    }
    values[0] = take_part(0, parts > 1 ? share : words.size());
  }
  FieldElement sum = 0;
  for (const Result<FieldElement>& value : values) {
    CONSILIUM_TRY(value);
    sum = field_add(sum, *value);
  }
  return sum;
}

Result<FieldElement> tag_mask(std::span<const MaskTerm> terms, std::uint64_t word_count) {
  CONSILIUM_ASSIGN(crypto::SecretBytes keystream, crypto::SecretBytes::allocate(kTagBytes));
  FieldElement sum = 0;
  for (const MaskTerm& term : terms) {
    CONSILIUM_ASSIGN(crypto::AesCtrStream stream, begin_mask(term.key, word_count));
    CONSILIUM_TRY(stream.next(keystream.bytes()));
    std::uint64_t bytes = 0;
    std::ranges::copy(keystream.bytes(), reinterpret_cast<std::uint8_t*>(&bytes));
    const FieldElement mask = field_from(bytes);
    sum = term.subtract ? field_sub(sum, mask) : field_add(sum, mask);  // the choice is public
  }
  return sum;
}

Result<FieldElement> masked_tag(const crypto::SecretBytes& offset, FieldElement value, FieldElement mask) {
  CONSILIUM_ASSIGN(const FieldElement s, secret_element(offset));
  return field_add(field_add(value, s), mask);
}

bool check_tag(FieldElement value, std::span<const GroupTag> groups) {
  FieldElement expected = 0;
  bool well_formed = true;
  for (const GroupTag& group : groups) {
    const auto s = secret_element(group.offset);
    well_formed = well_formed && s.has_value() && group.tag < kFieldPrime;
    if (!well_formed) break;
    const FieldElement offsets = field_mul(field_from(group.members), *s);
    expected = field_add(expected, field_sub(group.tag, offsets));
  }
  return well_formed && ((expected ^ value) == 0);
}

}  // namespace consilium::secagg
