#include "client/trainer/data/idx_reader.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <string>
#include <utility>

#include "client/trainer/data/array_reader.h"
#include "client/trainer/data/gzip_file.h"

namespace consilium::data {
namespace {

constexpr unsigned char kUnsignedByte = 0x08;
constexpr unsigned char kMaxRank = 4;

std::uint32_t big_endian(const std::array<unsigned char, 4>& bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         std::uint32_t{bytes[3]};
}

/// Reads the magic number (two zeros, type, number of dimensions) and the dimensions, big-endian.
Result<ArrayHeader> read_header(ByteSource& source) {
  std::array<unsigned char, 4> word{};
  CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(word))));
  if (word[0] != 0 || word[1] != 0)
    return refuse(fmt::format("isn't an idx file: it begins with {:#010x}", big_endian(word)));
  if (word[2] != kUnsignedByte)
    return refuse(fmt::format("has elements of idx type {:#04x}, expected 0x08 (unsigned bytes)", unsigned{word[2]}));
  const unsigned rank = word[3];
  if (rank < 1 || rank > kMaxRank)
    return refuse(fmt::format("declares {} dimensions, expected 1 to {}", rank, unsigned{kMaxRank}));
  ArrayHeader header;
  for (unsigned i = 0; i < rank; ++i) {
    CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(word))));
    header.shape.push_back(big_endian(word));
  }
  return header;
}

struct OpenArray {
  std::unique_ptr<ByteSource> source;
  ArrayHeader header;
};

/// @param budget bytes that may still be decoded; the array's bytes are subtracted
Result<OpenArray> open_array(const std::filesystem::path& file, std::uint64_t& budget) {
  OpenArray array;
  std::uint64_t largest = 0;
  CONSILIUM_ASSIGN(array.source, open_plain_or_gzip(file, largest));
  CONSILIUM_ASSIGN(array.header, read_header(*array.source));
  CONSILIUM_ASSIGN(const std::uint64_t bytes, data_bytes(array.header, budget));
  if (bytes > largest) {
    return refuse(fmt::format("declares a shape of [{}], {} bytes, more than a file of its size can hold",
                              fmt::join(array.header.shape, ", "), bytes));
  }
  budget -= bytes;
  return array;
}

/// Returns the file under its plain name if it exists, else with .gz.
Result<std::filesystem::path> locate(const std::filesystem::path& folder, const std::string& name) {
  std::error_code ignored;
  for (const auto& candidate : {folder / name, folder / (name + ".gz")}) {
    if (std::filesystem::exists(candidate, ignored)) return candidate;
  }
  return fail(ErrorCode::kNotFound, "the file is missing; expected it uncompressed or as .gz");
}

Result<Values> images(const std::filesystem::path& folder, const std::string& name, const Dataset& dataset,
                      std::uint64_t& budget) {
  CONSILIUM_ASSIGN(const std::filesystem::path file, locate(folder, name));
  CONSILIUM_ASSIGN(const OpenArray array, open_array(file, budget));
  CONSILIUM_ASSIGN(Values values, read_values(*array.source, array.header, dataset));
  CONSILIUM_TRY(array.source->expect_end());
  return values;
}

Result<std::vector<std::uint16_t>> labels(const std::filesystem::path& folder, const std::string& name,
                                          const Dataset& dataset, std::uint64_t& budget) {
  CONSILIUM_ASSIGN(const std::filesystem::path file, locate(folder, name));
  CONSILIUM_ASSIGN(const OpenArray array, open_array(file, budget));
  CONSILIUM_ASSIGN(std::vector<std::uint16_t> values, read_labels(*array.source, array.header, dataset.classes));
  CONSILIUM_TRY(array.source->expect_end());
  return values;
}

Result<Split> read_split(const std::filesystem::path& folder, const std::string& prefix, const Dataset& dataset,
                         std::uint64_t& budget) {
  const std::string image_name = prefix + "-images-idx3-ubyte", label_name = prefix + "-labels-idx1-ubyte";
  auto values = images(folder, image_name, dataset, budget);
  if (!values) return fail(values.error().within(image_name));
  auto numbers = labels(folder, label_name, dataset, budget);
  if (!numbers) return fail(numbers.error().within(label_name));
  Split split{std::move(*values), std::move(*numbers)};
  const std::size_t examples =
      std::visit([](const auto& v) { return v.size(); }, split.values) / dataset.example_size();
  if (examples == split.size()) return split;
  return refuse(fmt::format("{}: expected {} labels, one for each of {}, found {}", label_name, examples, image_name,
                            split.size()));
}

}  // namespace

Result<std::vector<std::uint64_t>> idx_shape(const std::filesystem::path& folder) {
  const std::string name = "train-images-idx3-ubyte";
  const auto header = [&]() -> Result<ArrayHeader> {
    CONSILIUM_ASSIGN(const std::filesystem::path file, locate(folder, name));
    std::uint64_t largest = 0;
    CONSILIUM_ASSIGN(const std::unique_ptr<ByteSource> source, open_plain_or_gzip(file, largest));
    return read_header(*source);
  }();
  if (!header) return fail(header.error().within(name));
  return header->shape;
}

Result<void> read_idx(const std::filesystem::path& folder, const ReadLimits& limits, Dataset& dataset) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return fail(ErrorCode::kNotFound,
                "no such folder, expected one that holds train-images-idx3-ubyte and its three companions");
  }
  std::uint64_t budget = limits.bytes;
  CONSILIUM_ASSIGN(dataset.train, read_split(folder, "train", dataset, budget));
  CONSILIUM_ASSIGN(dataset.test, read_split(folder, "t10k", dataset, budget));
  return {};
}

}  // namespace consilium::data
