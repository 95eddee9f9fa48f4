#pragma once

#include <cstdint>
#include <span>

#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"
#include "common/secagg/field.h"
#include "common/secagg/mask.h"

/// The tag behind a vector's words, by which sites recognise the true sum: t = s + sum_j r^(j+1) x_j modulo
/// p = 2^61 - 1, with x_j the words as signed 32-bit integers, r one secret of the whole job and s one of each group.
/// Tags add up as the vectors do, so the sum's tag fits the sum's words and, but for a chance of P / p, no others (a
/// polynomial code used once; Carter and Wegman 1979).
namespace consilium::secagg {

inline constexpr std::size_t kTagBytes = 8;  ///< little-endian, below p

/// Computes sum_j r^(j+1) x_j over a vector that passes by from front to back, in whatever pieces. Several objects,
/// each from its own first word on, may share a vector; their values then add up (field_add). Takes a time that depends
/// on nothing but the number of words. One thread at a time; movable.
class TagAccumulator {
 public:
  /// Begins at word `first_word` of the vector.
  /// @param r  tag_key(): kFieldSecretBytes bytes, else kInvalidArgument
  static Result<TagAccumulator> create(const crypto::SecretBytes& r, std::uint64_t first_word = 0);
  /// Takes the words that follow those of the last call.
  void add(std::span<const std::uint32_t> words);
  /// The sum over the words so far.
  [[nodiscard]] FieldElement value() const;

 private:
  explicit TagAccumulator(crypto::SecretBytes state) : state_(std::move(state)) {}
  crypto::SecretBytes state_;  ///< r^1, r^2, ...; then r^(words so far), and the value
};

/// Computes sum_j r^(j+1) x_j of a whole vector with up to `threads` threads.
Result<FieldElement> accumulate_tag(const crypto::SecretBytes& r, std::span<const std::uint32_t> words,
                                    unsigned threads = 1);

/// What a site adds to its tag modulo p before it sends it: the 8 bytes behind word `word_count` of each mask, modulo
/// p, added or subtracted as the mask is. Those of all members of a group cancel.
Result<FieldElement> tag_mask(std::span<const MaskTerm> terms, std::uint64_t word_count);

/// Builds a site's masked tag.
/// @param offset  tag_offset() of the site's group, @param value  of its vector's words, @param mask  tag_mask()
Result<FieldElement> masked_tag(const crypto::SecretBytes& offset, FieldElement value, FieldElement mask);

/// One group's part in a total.
struct GroupTag {
  std::uint64_t members = 0;   ///< k_g
  crypto::SecretBytes offset;  ///< s_g: tag_offset()
  FieldElement tag = 0;        ///< T_g: the sum of the members' masked tags
};

/// Says whether a total is the true sum over the groups: sum_j r^(j+1) Y_j = sum_g (T_g - k_g s_g).
/// @param value  the accumulator's for the total's words Y
/// @param groups  distinct groups; a tag that isn't below p fits nothing
[[nodiscard]] bool check_tag(FieldElement value, std::span<const GroupTag> groups);

}  // namespace consilium::secagg
