#include "client/trainer/data_summary.h"

#include <algorithm>
#include <set>
#include <variant>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/readers.h"

namespace consilium::trainer {
namespace {

constexpr std::int64_t kMostClasses = 65536;

DataSummary::Split count(const char* name, const data::Split& split, data::TargetKind target) {
  DataSummary::Split counted{.name = name, .examples = split.size(), .class_examples = {}};
  const auto add = [&](std::size_t index) {
    if (index >= counted.class_examples.size()) counted.class_examples.resize(index + 1, 0);
    ++counted.class_examples[index];
  };
  if (target == data::TargetKind::kClass) {
    for (const std::uint16_t label : split.labels) add(label);
    return counted;
  }
  const bool mask = target == data::TargetKind::kMask;
  const std::size_t parts = split.parts_size();
  for (std::size_t row = 0; row < split.size(); ++row) {
    std::set<std::size_t> held;
    for (std::size_t i = 0; i < parts; ++i) {
      const std::uint8_t part = split.parts[row * parts + i];
      if (mask || part != 0) held.insert(mask ? part : i);
    }
    for (const std::size_t index : held) add(index);
  }
  if (!mask && counted.class_examples.size() < parts) counted.class_examples.resize(parts, 0);
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
  CONSILIUM_ASSIGN(const data::Dataset dataset,
                   data::read_dataset(source, *input, kMostClasses, {}, data::Targets::kAny));
  DataSummary summary{
      .input = *input,
      .classes = 0,
      .bytes = std::holds_alternative<std::vector<std::uint8_t>>(dataset.train.values),
      .splits = {count("train", dataset.train, dataset.target), count("val", dataset.val, dataset.target),
                 count("test", dataset.test, dataset.target)},
      .target = dataset.target};
  for (const DataSummary::Split& split : summary.splits) {
    summary.classes = std::max(summary.classes, static_cast<std::int64_t>(split.class_examples.size()));
  }
  for (DataSummary::Split& split : summary.splits) {
    split.class_examples.resize(static_cast<std::size_t>(summary.classes), 0);
  }
  return summary;
}

}  // namespace consilium::trainer
