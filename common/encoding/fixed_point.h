#pragma once

#include <cstdint>
#include <span>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"

namespace consilium::encoding {

/// Encodes floats into ring words: round_half_even(clamp(x, -bound, bound) * (weight * scale)) mod 2^32, with each
/// product rounded to double. The result is bit-identical on every machine (this requires -ffp-contract=off). Each
/// input is read only once, so that a process that shares the memory can't change a value between check and use.
/// @param weight  w = n_i / N, in [0, 1] for a member of the census
/// @return how many coordinates were clipped; fails with kInvalidArgument at the first NaN or infinity and names its
/// index; after a failure the content of `words` is unspecified
Result<std::uint64_t> encode_fixed_point(std::span<const float> values, const Field& field, double weight,
                                         std::span<std::uint32_t> words);

/// Decodes summed ring words: (int32) word / (scale * divisor), as float32. `values` may be the same memory as `words`.
/// @param divisor the sum of w of the sites that answered (cohort), or |answered| / members (population)
void decode_fixed_point(std::span<const std::uint32_t> words, const Field& field, double divisor,
                        std::span<float> values);

/// Splits counts into limbs. Fails with kInvalidArgument if a value doesn't fit the field's limbs, naming the field and
/// the element.
Result<void> encode_counts(std::span<const std::uint64_t> values, const Field& field, std::span<std::uint32_t> words);

/// Joins summed limbs again. Fails with kDataLoss if a sum overflows 64 bits, which no honest site causes.
Result<void> decode_counts(std::span<const std::uint32_t> words, const Field& field, std::span<std::uint64_t> values);

/// Adds words mod 2^32. Plain and masked sums both use this arithmetic. The sizes must agree.
void add_words(std::span<const std::uint32_t> words, std::span<std::uint32_t> sum);

}  // namespace consilium::encoding
