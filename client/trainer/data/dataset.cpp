#include "client/trainer/data/dataset.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "client/trainer/data/readers.h"

namespace consilium::data {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 20;
constexpr std::int64_t kMaxExample = std::int64_t{1} << 31;
constexpr std::int64_t kMaxClasses = 65536;  // labels have 16 bits

Result<void> check_request(const std::vector<std::int64_t>& input, std::int64_t classes) {
  std::int64_t size = 1;
  bool sound = input.size() == 1 || input.size() == 3 || input.size() == 4;
  for (const std::int64_t dimension : input) {
    sound = sound && dimension >= 1 && dimension <= kMaxDimension && size <= kMaxExample / dimension;
    if (sound) size *= dimension;
  }
  if (!sound) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the model's input [{}] isn't the shape of an example: expected [features], "
                            "[channels, height, width] or [channels, depth, height, width]",
                            fmt::join(input, ", ")));
  }
  if (classes >= 1 && classes <= kMaxClasses) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("classes: expected 1 to {}, found {}", kMaxClasses, classes));
}

/// Makes the type of the values the same for all splits. Splits that aren't empty must share one; empty ones adopt it.
Result<void> unify_types(Dataset& dataset) {
  const std::size_t type = dataset.train.values.index();
  for (auto [split, name] : {std::pair{&dataset.val, "val_images"}, std::pair{&dataset.test, "test_images"}}) {
    if (split->values.index() == type) continue;
    if (split->size() != 0) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: expected {} as in train_images, found {}", name, type == 0 ? "uint8" : "float",
                              type == 0 ? "float" : "uint8"));
    }
    if (type == 0) {
      split->values = std::vector<std::uint8_t>();
    } else {
      split->values = std::vector<float>();
    }
  }
  return {};
}

}  // namespace

std::size_t Dataset::example_size() const {
  std::size_t size = 1;
  for (const std::int64_t dimension : shape) size *= static_cast<std::size_t>(dimension);
  return size;
}

Result<Dataset> read_dataset(const trainer::DataSource& source, const std::vector<std::int64_t>& input,
                             std::int64_t classes, const ReadLimits& limits, Targets accepted) {
  CONSILIUM_TRY(check_request(input, classes));
  CONSILIUM_ASSIGN(const Reader* const reader, reader_of(source));
  if (reader->arrays == nullptr) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: a data set of type {} consists of files; expected one of arrays", source.path, source.type));
  }
  Dataset dataset;
  dataset.shape = input;
  dataset.classes = classes;
  auto filled = reader->arrays(source.path, limits, dataset);
  if (filled) filled = unify_types(dataset);
  if (!filled) return fail(filled.error().within(source.path));
  if (dataset.train.size() == 0) {
    return fail(ErrorCode::kInvalidArgument, source.path + ": train_images: holds no examples, expected at least one");
  }
  if (accepted == Targets::kClasses && dataset.target != TargetKind::kClass)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: its targets are of the kind '{}', expected one class for each example in train_labels",
                            source.path, name_of(dataset.target)));
  return dataset;
}

Split select(const Split& split, std::span<const std::uint32_t> indices, std::size_t example_size) {
  Split chosen;
  chosen.labels.reserve(indices.size());
  for (const std::uint32_t index : indices) chosen.labels.push_back(split.labels[index]);
  for (const std::uint32_t index : indices) {
    const auto first = split.parts.begin() + static_cast<std::ptrdiff_t>(index * split.parts_size());
    chosen.parts.insert(chosen.parts.end(), first, first + static_cast<std::ptrdiff_t>(split.parts_size()));
  }
  chosen.values = std::visit(
      [&](const auto& values) -> Values {
        std::remove_cvref_t<decltype(values)> copy(indices.size() * example_size);
        for (std::size_t i = 0; i < indices.size(); ++i) {
          std::copy_n(values.data() + indices[i] * example_size, example_size, copy.data() + i * example_size);
        }
        return copy;
      },
      split.values);
  return chosen;
}

}  // namespace consilium::data
