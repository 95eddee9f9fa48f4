#pragma once

#include <cstdint>
#include <span>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"

namespace consilium::encoding {

/// Encodes floats into ring words: round_half_even(clamp(x, -bound, bound) * (weight * scale)) mod 2^32, each product
/// rounded to double. On failure `words` holds nothing of use. Bit-identical on every machine (needs
/// -ffp-contract=off). Reads each input once, so that a writer who shares the memory can't change a value between check
/// and use.
/// @param weight  w = n_i / N, in [0, 1] for a member of the census
/// @return how many coordinates were clipped; fails with kInvalidArgument at the first NaN or infinity, giving its
/// index
Result<std::uint64_t> encode_fixed_point(std::span<const float> values, const Field& field, double weight,
                                         std::span<std::uint32_t> words);

/// Decodes summed ring words in place or not: (int32) word / (scale * divisor), as float32.
/// @param divisor the sum of w of those who answered (cohort), or |answered| / members (population)
void decode_fixed_point(std::span<const std::uint32_t> words, const Field& field, double divisor,
                        std::span<float> values);

/// Splits counts in limbs. Fails with kInvalidArgument where a value doesn't fit the field's limbs, naming field and
/// element.
Result<void> encode_counts(std::span<const std::uint64_t> values, const Field& field, std::span<std::uint32_t> words);

/// Joins summed limbs again. Fails with kDataLoss where a sum overflows 64 bits (no honest site causes it).
Result<void> decode_counts(std::span<const std::uint32_t> words, const Field& field, std::span<std::uint64_t> values);

/// Adds words mod 2^32: the one arithmetic of plain and masked sums. Sizes must agree.
void add_words(std::span<const std::uint32_t> words, std::span<std::uint32_t> sum);

}  // namespace consilium::encoding
