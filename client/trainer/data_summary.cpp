#include "client/trainer/data_summary.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <span>
#include <variant>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/gzip_file.h"
#include "client/trainer/data/npy_header.h"
#include "client/trainer/data/zip_archive.h"

namespace consilium::trainer {
namespace {

constexpr std::int64_t kMostClasses = 65536;

Result<std::vector<std::uint64_t>> npz_shape(const std::string& path) {
  CONSILIUM_ASSIGN(const data::ZipArchive archive, data::ZipArchive::open(path));
  const std::string entry = "train_images.npy";
  if (!archive.contains(entry)) {
    return fail(ErrorCode::kInvalidArgument,
                "train_images: missing, expected MedMNIST's arrays (train_images, train_labels, ...)");
  }
  CONSILIUM_ASSIGN(const std::unique_ptr<data::ByteSource> source, archive.open_entry(entry));
  std::uint64_t header_bytes = 0;
  CONSILIUM_ASSIGN(data::ArrayHeader header, data::read_npy_header(*source, header_bytes));
  return std::move(header.shape);
}

Result<std::vector<std::uint64_t>> idx_shape(const std::string& folder) {
  std::filesystem::path file = std::filesystem::path(folder) / "train-images-idx3-ubyte";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    file += ".gz";
  }
  std::uint64_t largest = 0;
  CONSILIUM_ASSIGN(const std::unique_ptr<data::ByteSource> source, data::open_plain_or_gzip(file, largest));
  std::array<unsigned char, 16> head{};
  CONSILIUM_TRY(source->read(std::as_writable_bytes(std::span(head))));
  const auto number = [&](std::size_t at) {
    return std::uint64_t{head[at]} << 24U | std::uint64_t{head[at + 1]} << 16U | std::uint64_t{head[at + 2]} << 8U |
           head[at + 3];
  };
  return std::vector<std::uint64_t>{number(4), number(8), number(12)};
}

Result<std::vector<std::int64_t>> input_of(const std::vector<std::uint64_t>& shape) {
  std::vector<std::int64_t> dimensions;
  for (std::size_t i = 1; i < shape.size(); ++i) {
    dimensions.push_back(static_cast<std::int64_t>(std::min<std::uint64_t>(shape[i], std::uint64_t{1} << 40U)));
  }
  if (dimensions.size() == 1) {
    return dimensions;
  }
  if (dimensions.size() == 2) {
    return std::vector<std::int64_t>{1, dimensions[0], dimensions[1]};
  }
  if (dimensions.size() == 3) {
    const std::int64_t last = dimensions[2];
    return last == 1 || last == 3 || last == 4 ? std::vector<std::int64_t>{last, dimensions[0], dimensions[1]}
                                               : dimensions;
  }
  return fail(ErrorCode::kInvalidArgument,
              "train_images: expected 2 to 4 dimensions, found " + std::to_string(shape.size()));
}

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

DataSource source_at(const std::string& path) {
  std::error_code ignored;
  return {.type = std::filesystem::is_directory(path, ignored) ? "idx" : "npz", .path = path};
}

Result<DataSummary> summarise(const DataSource& source) {
  auto shape = source.type == "npz" ? npz_shape(source.path) : idx_shape(source.path);
  if (!shape) {
    return fail(shape.error().within(source.path));
  }
  auto input = input_of(*shape);
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
