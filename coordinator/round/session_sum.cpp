#include "coordinator/round/session_sum.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/encoding/fixed_point.h"

namespace consilium::round {

Result<SessionSum> SessionSum::create(job::SessionKey key, const job::RoundOrder& order, std::uint64_t classes,
                                      std::optional<SessionSum> former) {
  std::optional<aggregation::StreamingSum> memory;
  if (former) memory = std::move(former->sum_);
  CONSILIUM_ASSIGN(aggregation::StreamingSum sum, aggregation::StreamingSum::create(order.layout, std::move(memory)));
  return SessionSum(std::move(key), classes, std::move(sum));
}

Result<std::optional<std::uint64_t>> SessionSum::take(const std::string& site, aggregation::WordSource& words) {
  if (words.word_count() != word_count()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a vector of {} words, expected {}", words.word_count(), word_count()));
  }
  if (key_.kind == job::SumKind::kTrain) {
    CONSILIUM_TRY(sum_.fold(words));
    return std::optional<std::uint64_t>();
  }
  // Counts are few: they are read whole and looked at before they are folded.
  std::vector<std::uint32_t> held(words.word_count());
  CONSILIUM_TRY(words.read(held));
  if (std::any_of(held.begin(), held.end(), [](std::uint32_t word) { return word > 0xFFFF; })) {
    return fail(ErrorCode::kDataLoss, "a count's limb of more than 16 bits");
  }
  std::optional<std::uint64_t> examples;
  if (key_.kind == job::SumKind::kCensus) {
    const encoding::Field* field = sum_.layout().find(encoding::kExamples);
    if (field == nullptr) return fail(ErrorCode::kInternal, "a census without examples");
    std::vector<std::uint64_t> splits(field->elements);
    CONSILIUM_TRY(encoding::decode_counts(std::span(held).subspan(field->offset, field->words()), *field, splits));
    examples = splits[0];
  } else {
    auto metrics = report::metrics_from_words(sum_.layout(), classes_, held);
    if (!metrics && metrics.error().code != ErrorCode::kFailedPrecondition) return fail(std::move(metrics).error());
    if (metrics) site_metrics_[site] = *std::move(metrics);
  }
  aggregation::MemoryWords source(held);
  CONSILIUM_TRY(sum_.fold(source));
  return examples;
}

Result<std::uint64_t> SessionSum::training_examples() const {
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> splits, sum_.counts(encoding::kExamples));
  return splits[0];
}

Result<report::Metrics> SessionSum::metrics() const {
  return report::metrics_from_words(sum_.layout(), classes_, sum_.words());
}

}  // namespace consilium::round
