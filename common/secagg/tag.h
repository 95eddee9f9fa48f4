#pragma once

#include <cstdint>
#include <span>

#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"
#include "common/secagg/field.h"
#include "common/secagg/mask.h"

/// The tag that follows a vector's words, by which sites recognise the true sum: t = s + sum_j r^(j+1) x_j modulo p =
/// 2^61 - 1. The x_j are the words as signed 32-bit integers. All groups of a round share the secret r, and each
/// group's attempt has its own secret s (sum_keys.h). Tags add up as the vectors do, so the tag of the sum fits the
/// words of the sum. It fits any other words with a probability of at most P / p, where P is the number of words (a
/// polynomial code used once; Carter and Wegman 1979).
namespace consilium::secagg {

inline constexpr std::size_t kTagBytes = 8;  ///< little-endian, below p

/// Computes sum_j r^(j+1) x_j over a vector that is passed in pieces of any size, from front to back. Several objects
/// may share a vector if each begins at its own first word; their values are then added (field_add). The running time
/// depends only on the number of words. Use from one thread at a time; movable.
class TagAccumulator {
 public:
  /// Begins at word `first_word` of the vector.
  /// @param r  tag_key(): kFieldSecretBytes bytes, else kInvalidArgument
  static Result<TagAccumulator> create(const crypto::SecretBytes& r, std::uint64_t first_word = 0);
  /// Adds the words that follow those of the last call.
  void add(std::span<const std::uint32_t> words);
  /// Returns the sum over the words so far.
  [[nodiscard]] FieldElement value() const;

 private:
  explicit TagAccumulator(crypto::SecretBytes state) : state_(std::move(state)) {}
  crypto::SecretBytes state_;  ///< r^1, r^2, ...; then r^(words so far), and the value
};

/// Computes sum_j r^(j+1) x_j over a whole vector with up to `threads` threads.
Result<FieldElement> accumulate_tag(const crypto::SecretBytes& r, std::span<const std::uint32_t> words,
                                    unsigned threads = 1);

/// Computes the mask of a tag, which a site adds to it modulo p before sending it. It is made from the 8 bytes of each
/// mask's keystream that follow the vector's `word_count` words, taken modulo p and added or subtracted like that mask.
/// The tag masks of all members of a group cancel.
Result<FieldElement> tag_mask(std::span<const MaskTerm> terms, std::uint64_t word_count);

/// Computes a site's masked tag.
/// @param offset  tag_offset() of the site's group
/// @param value   the accumulated value of the site's vector
/// @param mask    tag_mask()
Result<FieldElement> masked_tag(const crypto::SecretBytes& offset, FieldElement value, FieldElement mask);

/// The part of one group in a total.
struct GroupTag {
  std::uint64_t members = 0;   ///< k_g
  crypto::SecretBytes offset;  ///< s_g: tag_offset()
  FieldElement tag = 0;        ///< T_g: the sum of the members' masked tags
};

/// Returns true if a total is the true sum over the groups: sum_j r^(j+1) Y_j = sum_g (T_g - k_g s_g).
/// @param value   the accumulated value of the total's words Y
/// @param groups  must be distinct; a tag that isn't below p never fits
[[nodiscard]] bool check_tag(FieldElement value, std::span<const GroupTag> groups);

}  // namespace consilium::secagg
