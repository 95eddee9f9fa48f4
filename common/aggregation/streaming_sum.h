#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/aggregation/word_source.h"
#include "common/encoding/vector_layout.h"
#include "common/error/error.h"

namespace consilium::aggregation {

/// The running sum of one session. It holds a single vector of words, however many sites there are. Vectors are added
/// modulo 2^32 in pieces that fit the cache, and the result is decoded in place. The order of adding doesn't matter.
/// Not thread-safe.
class StreamingSum {
 public:
  /// Starts a sum of layout.word_count() zero words. Fails with kResourceExhausted if memory is short.
  /// @param former  a sum that is no longer needed. If it has as many words, its memory is reused, which is faster than
  ///                having the kernel find new pages.
  static Result<StreamingSum> create(encoding::VectorLayout layout, std::optional<StreamingSum> former = {});

  /// Adds one site's vector. Fails with kInvalidArgument, leaving the sum as it was, if the vector's size isn't the
  /// layout's. If the source fails half-way, returns its error; the sum is then no longer intact().
  Result<void> fold(WordSource& source);
  /// Returns false once a vector was added only in part: the sum's words are then meaningless.
  [[nodiscard]] bool intact() const { return intact_; }
  /// Returns the number of vectors added.
  [[nodiscard]] std::uint64_t contributors() const { return contributors_; }
  [[nodiscard]] const encoding::VectorLayout& layout() const { return layout_; }
  [[nodiscard]] std::span<const std::uint32_t> words() const;
  /// Returns the words for modification, for the code that removes masks.
  [[nodiscard]] std::span<std::uint32_t> masked_words();
  /// Adds another sum of the same layout, including its count of contributors.
  Result<void> add(const StreamingSum& other);

  /// Joins the limbs of a count field. Fails with kInternal if the layout has no such field.
  Result<std::vector<std::uint64_t>> counts(std::string_view field) const;
  /// Decodes a fixed-point field into a new vector of floats. Meant for small fields such as the loss.
  Result<std::vector<float>> values(std::string_view field, double divisor) const;

  /// Decodes the "parameters.*" fields in place, which overwrites the words of the sum. Call it last, and once.
  /// @param divisor finite and > 0 (weighting.h)
  /// @return the mean delta in the manifest's order, in the sum's own memory: valid as long as this object
  Result<std::span<float>> decode_parameters(double divisor);

 private:
  struct Free {
    void operator()(std::uint32_t* memory) const;
  };
  StreamingSum(encoding::VectorLayout layout, std::uint32_t* memory);
  Result<const encoding::Field*> field_of(std::string_view name, encoding::FieldKind kind) const;

  encoding::VectorLayout layout_;
  std::unique_ptr<std::uint32_t, Free> memory_;
  std::uint64_t contributors_ = 0;
  bool intact_ = true;
};

}  // namespace consilium::aggregation
