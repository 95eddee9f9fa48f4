#include "common/aggregation/streaming_sum.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>
#include <utility>

#include "common/encoding/fixed_point.h"

namespace consilium::aggregation {

namespace {

/// Words added at a time: 64 KiB, so that they stay in the second-level cache between being read and being added.
constexpr std::size_t kPiece = 16384;

bool is_parameters(const encoding::Field& field) { return field.name.starts_with(encoding::kParametersPrefix); }

}  // namespace

Result<void> MemoryWords::read(std::span<std::uint32_t> words) {
  if (words.size() > left_.size()) {
    return fail(ErrorCode::kDataLoss, fmt::format("a vector ends {} words early", words.size() - left_.size()));
  }
  std::copy_n(left_.begin(), words.size(), words.begin());
  left_ = left_.subspan(words.size());
  return {};
}

void StreamingSum::Free::operator()(std::uint32_t* memory) const { std::free(memory); }

StreamingSum::StreamingSum(encoding::VectorLayout layout, std::uint32_t* memory)
    : layout_(std::move(layout)), memory_(memory) {}

Result<StreamingSum> StreamingSum::create(encoding::VectorLayout layout, std::optional<StreamingSum> former) {
  if (former && former->memory_ != nullptr && former->layout_.word_count() == layout.word_count()) {
    std::fill_n(former->memory_.get(), layout.word_count(), 0U);
    return StreamingSum(std::move(layout), former->memory_.release());
  }
  former.reset();
  // calloc gives zero pages, which use no memory until the first vector arrives.
  auto* memory = static_cast<std::uint32_t*>(std::calloc(layout.word_count(), sizeof(std::uint32_t)));
  if (memory == nullptr) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("no memory for a sum of {} words", layout.word_count()));
  }
  return StreamingSum(std::move(layout), memory);
}

Result<void> StreamingSum::fold(WordSource& source) {
  if (!intact_)
    return fail(ErrorCode::kFailedPrecondition,
                "the sum can't be used, because only a part of a vector was added to it");
  const std::uint64_t count = layout_.word_count();
  if (source.word_count() != count) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a vector of {} words, expected {}", source.word_count(), count));
  }
  const std::span<std::uint32_t> sum(memory_.get(), count);
  std::vector<std::uint32_t> piece(std::min<std::size_t>(kPiece, count));
  for (std::size_t first = 0; first < count; first += piece.size()) {
    const auto part = std::span(piece).first(std::min(piece.size(), count - first));
    if (auto read = source.read(part); !read) {
      intact_ = first == 0;
      return fail(std::move(read).error());
    }
    encoding::add_words(part, sum.subspan(first, part.size()));
  }
  ++contributors_;
  return {};
}

std::span<const std::uint32_t> StreamingSum::words() const { return {memory_.get(), layout_.word_count()}; }
std::span<std::uint32_t> StreamingSum::masked_words() { return {memory_.get(), layout_.word_count()}; }

Result<void> StreamingSum::add(const StreamingSum& other) {
  if (!intact_ || !other.intact_ || layout_ != other.layout_)
    return fail(ErrorCode::kInternal, "sums of different layouts can't be added");
  encoding::add_words(other.words(), masked_words());
  contributors_ += other.contributors_;
  return {};
}

Result<const encoding::Field*> StreamingSum::field_of(std::string_view name, encoding::FieldKind kind) const {
  if (!intact_)
    return fail(ErrorCode::kFailedPrecondition,
                "the sum can't be used, because only a part of a vector was added to it");
  const encoding::Field* field = layout_.find(name);
  if (field == nullptr || field->kind != kind)
    return fail(ErrorCode::kInternal, fmt::format("the sum has no field '{}' of the expected kind", name));
  return field;
}

Result<std::vector<std::uint64_t>> StreamingSum::counts(std::string_view name) const {
  CONSILIUM_ASSIGN(const encoding::Field* field, field_of(name, encoding::FieldKind::kCount));
  std::vector<std::uint64_t> values(field->elements);
  CONSILIUM_TRY(encoding::decode_counts(words().subspan(field->offset, field->words()), *field, values));
  return values;
}

Result<std::vector<float>> StreamingSum::values(std::string_view name, double divisor) const {
  CONSILIUM_ASSIGN(const encoding::Field* field, field_of(name, encoding::FieldKind::kFixedPoint));
  std::vector<float> values(field->elements);
  encoding::decode_fixed_point(words().subspan(field->offset, field->words()), *field, divisor, values);
  return values;
}

Result<std::span<float>> StreamingSum::decode_parameters(double divisor) {
  if (!intact_)
    return fail(ErrorCode::kFailedPrecondition,
                "the sum can't be used, because only a part of a vector was added to it");
  if (!std::isfinite(divisor) || divisor <= 0.0) {
    return fail(ErrorCode::kInternal, fmt::format("a sum can't be divided by {}", divisor));
  }
  static_assert(sizeof(float) == sizeof(std::uint32_t) && alignof(float) == alignof(std::uint32_t));
  // decode_fixed_point() writes floats bytewise (memcpy) over the words that it has read.
  auto* floats = reinterpret_cast<float*>(memory_.get());
  std::uint64_t end = 0;
  for (const encoding::Field& field : layout_.fields()) {
    if (!is_parameters(field)) continue;
    if (field.offset != end) return fail(ErrorCode::kInternal, "the parameters must come first in the sum");
    encoding::decode_fixed_point(words().subspan(field.offset, field.words()), field, divisor,
                                 {floats + field.offset, field.elements});
    end += field.words();
  }
  intact_ = false;  // the memory no longer holds words
  return std::span<float>(std::launder(floats), end);
}

}  // namespace consilium::aggregation
