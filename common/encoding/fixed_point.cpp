#include "common/encoding/fixed_point.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

namespace consilium::encoding {

namespace {

/// Coordinates processed at a time. The copies of a block stay in the first-level cache.
constexpr std::size_t kBlock = 1024;

/// Adding 1.5 x 2^52 leaves no bits for a fraction, so the sum is rounded half to even (IEEE 754's default). The low 32
/// bits of the sum are the rounded integer in two's complement, for every |x| < 2^51.
constexpr double kRounder = 6755399441055744.0;

struct BlockCounts {
  std::uint32_t clipped = 0;
  std::uint32_t unusable = 0;  ///< NaN or infinite
};

/// Returns the bits of the largest float that isn't beyond the bound. Magnitudes compare like their bits.
std::uint32_t bits_of_limit(double bound) {
  float limit = static_cast<float>(bound);
  if (static_cast<double>(limit) > bound) limit = std::nextafter(limit, 0.0f);
  return std::bit_cast<std::uint32_t>(limit);
}

// Written for the vectoriser: no branches, no calls, counts in 32 bits.
BlockCounts count_block(const std::uint32_t* bits, std::size_t count, std::uint32_t limit) {
  constexpr std::uint32_t kInfinity = 0x7F800000u;
  std::uint32_t clipped = 0;
  std::uint32_t unusable = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t magnitude = bits[i] & 0x7FFFFFFFu;
    clipped += magnitude > limit ? 1u : 0u;
    unusable += magnitude >= kInfinity ? 1u : 0u;
  }
  return {clipped, unusable};
}

void encode_block(const std::uint32_t* bits, std::size_t count, double bound, double factor, std::uint32_t* words) {
  for (std::size_t i = 0; i < count; ++i) {
    const double x = std::bit_cast<float>(bits[i]);
    const double low = x < -bound ? -bound : x;
    const double clamped = low > bound ? bound : low;
    words[i] = static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(clamped * factor + kRounder));
  }
}

void decode_block(const std::uint32_t* words, std::size_t count, double divisor, float* values) {
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<double>(static_cast<std::int32_t>(words[i])) / divisor);
  }
}

Result<void> check_sizes(const Field& field, FieldKind kind, std::size_t values, std::size_t words) {
  if (field.kind != kind) {
    return fail(ErrorCode::kInternal, fmt::format("field '{}' is not of the expected kind", field.name));
  }
  if (values != field.elements || words != field.words()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("field '{}': expected {} elements in {} words, found {} in {}",
                                                         field.name, field.elements, field.words(), values, words));
  }
  return {};
}

tl::unexpected<Error> refuse_unusable(const Field& field, std::size_t first, std::span<const std::uint32_t> bits) {
  const auto bad =
      std::find_if(bits.begin(), bits.end(), [](std::uint32_t b) { return !std::isfinite(std::bit_cast<float>(b)); });
  const std::size_t index = first + static_cast<std::size_t>(bad - bits.begin());
  const std::string_view what = std::isnan(std::bit_cast<float>(*bad)) ? "NaN" : "infinite";
  return fail(ErrorCode::kInvalidArgument, fmt::format("field '{}': element {} is {}", field.name, index, what));
}

}  // namespace

Result<std::uint64_t> encode_fixed_point(std::span<const float> values, const Field& field, double weight,
                                         std::span<std::uint32_t> words) {
  CONSILIUM_TRY(check_sizes(field, FieldKind::kFixedPoint, values.size(), words.size()));
  if (!(weight >= 0.0 && weight <= 1.0)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("field '{}': found a weight of {}; expected 0 to 1", field.name, weight));
  }
  const double factor = weight * field.scale;
  const std::uint32_t limit = bits_of_limit(field.bound);
  std::array<std::uint32_t, kBlock> block;
  std::uint64_t clipped = 0;
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, values.size() - first);
    std::memcpy(block.data(), values.data() + first, count * sizeof(float));
    // The copy must be what is checked and encoded. Without this barrier the compiler may read the shared memory again.
    asm volatile("" : : "r"(block.data()) : "memory");
    const BlockCounts counts = count_block(block.data(), count, limit);
    if (counts.unusable != 0) {
      return refuse_unusable(field, first, std::span(block).first(count));
    }
    encode_block(block.data(), count, field.bound, factor, words.data() + first);
    clipped += counts.clipped;
  }
  return clipped;
}

void decode_fixed_point(std::span<const std::uint32_t> words, const Field& field, double divisor,
                        std::span<float> values) {
  assert(words.size() == values.size());
  const double full_divisor = field.scale * divisor;
  std::array<std::uint32_t, kBlock> in;
  std::array<float, kBlock> out;
  // Uses copies, because `values` may be the same memory as `words`.
  for (std::size_t first = 0; first < words.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, words.size() - first);
    std::memcpy(in.data(), words.data() + first, count * sizeof(std::uint32_t));
    decode_block(in.data(), count, full_divisor, out.data());
    std::memcpy(static_cast<void*>(values.data() + first), out.data(), count * sizeof(float));
  }
}

Result<void> encode_counts(std::span<const std::uint64_t> values, const Field& field, std::span<std::uint32_t> words) {
  CONSILIUM_TRY(check_sizes(field, FieldKind::kCount, values.size(), words.size()));
  const unsigned bits = 16 * field.limbs;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (bits < 64 && (values[i] >> bits) != 0) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("field '{}': element {} is {}, which doesn't fit into {} bits", field.name, i, values[i], bits));
    }
    for (unsigned limb = 0; limb < field.limbs; ++limb) {
      words[i * field.limbs + limb] = static_cast<std::uint32_t>((values[i] >> (16 * limb)) & 0xFFFFu);
    }
  }
  return {};
}

Result<void> decode_counts(std::span<const std::uint32_t> words, const Field& field, std::span<std::uint64_t> values) {
  CONSILIUM_TRY(check_sizes(field, FieldKind::kCount, values.size(), words.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint64_t value = 0;
    for (unsigned limb = field.limbs; limb-- > 0;) {
      const std::uint64_t word = words[i * field.limbs + limb];
      if ((value >> 48) != 0 || __builtin_add_overflow(value << 16, word, &value)) {
        return fail(ErrorCode::kDataLoss,
                    fmt::format("field '{}': the sum of element {} exceeds 64 bits", field.name, i));
      }
    }
    values[i] = value;
  }
  return {};
}

void add_words(std::span<const std::uint32_t> words, std::span<std::uint32_t> sum) {
  assert(words.size() == sum.size());
  const std::uint32_t* from = words.data();
  std::uint32_t* to = sum.data();
  const std::size_t count = std::min(words.size(), sum.size());
  for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace consilium::encoding
