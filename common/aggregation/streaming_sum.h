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

/// The running sum of one session: one vector of words whatever the number of sites, folded mod 2^32 in pieces that
/// stay in cache, and decoded in place. The order of folding doesn't matter. Not thread-safe.
class StreamingSum {
 public:
  /// Begins a sum of layout.word_count() zero words. Fails with kResourceExhausted where memory is short.
  /// @param former  a sum that is over: where it has as many words, its memory is used again, which is faster than
  ///                having the kernel find new pages
  static Result<StreamingSum> create(encoding::VectorLayout layout, std::optional<StreamingSum> former = {});

  /// Adds one site's vector. kInvalidArgument where its size isn't the layout's: the sum is as before. A source that
  /// breaks off half-way gives its error, and the sum is no longer intact().
  Result<void> fold(WordSource& source);
  /// False once a vector was added in part: what the sum holds means nothing any more.
  [[nodiscard]] bool intact() const { return intact_; }
  /// Vectors added.
  [[nodiscard]] std::uint64_t contributors() const { return contributors_; }
  [[nodiscard]] const encoding::VectorLayout& layout() const { return layout_; }
  [[nodiscard]] std::span<const std::uint32_t> words() const;
  /// The words themselves, for whoever takes masks off.
  [[nodiscard]] std::span<std::uint32_t> masked_words();
  /// Adds another sum of the same layout, with its contributors.
  Result<void> add(const StreamingSum& other);

  /// Joins the limbs of a count field. kInternal where the layout has no such field.
  Result<std::vector<std::uint64_t>> counts(std::string_view field) const;
  /// Decodes a fixed-point field into floats of its own: for the small ones, like the loss.
  Result<std::vector<float>> values(std::string_view field, double divisor) const;

  /// Decodes the "parameters.*" fields in place: the words of the sum are gone afterwards. Call it last, and once.
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
