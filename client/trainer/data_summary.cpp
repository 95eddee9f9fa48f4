#include "client/trainer/data_summary.h"

#include <algorithm>
#include <variant>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/readers.h"

namespace consilium::trainer {
namespace {

constexpr std::int64_t kMostClasses = 65536;

DataSummary::Split count(const char* name, const data::Split& split) {
  DataSummary::Split counted{.name = name, .examples = split.size(), .class_examples = {}};
  for (const std::uint16_t label : split.labels) {
    if (label >= counted.class_examples.size()) {
      counted.class_examples.resize(label + std::size_t{1}, 0);
    }
    ++counted.class_examples[label];
  }
  return counted;
}

}  // namespace

Result<DataSummary> summarise(const DataSource& source) {
  CONSILIUM_ASSIGN(const data::Reader* const reader, data::reader_of(source));
  auto shape = reader->array_shape(source.path);
  if (!shape) {
    return fail(shape.error().within(source.path));
  }
  auto input = data::model_input_of(*shape);
  if (!input) {
    return fail(input.error().within(source.path));
  }
  CONSILIUM_ASSIGN(const data::Dataset dataset, data::read_dataset(source, *input, kMostClasses));
  DataSummary summary{
      .input = *input,
      .classes = 0,
      .bytes = std::holds_alternative<std::vector<std::uint8_t>>(dataset.train.values),
      .splits = {count("train", dataset.train), count("val", dataset.val), count("test", dataset.test)}};
  for (const DataSummary::Split& split : summary.splits) {
    summary.classes = std::max(summary.classes, static_cast<std::int64_t>(split.class_examples.size()));
  }
  for (DataSummary::Split& split : summary.splits) {
    split.class_examples.resize(static_cast<std::size_t>(summary.classes), 0);
  }
  return summary;
}

}  // namespace consilium::trainer
