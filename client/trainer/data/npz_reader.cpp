#include "client/trainer/data/npz_reader.h"

#include <spdlog/fmt/fmt.h>

#include <string>
#include <utility>

#include "client/trainer/data/array_reader.h"
#include "client/trainer/data/npy_header.h"
#include "client/trainer/data/zip_archive.h"

namespace consilium::data {
namespace {

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

/// An array opened up to its data, sizes checked.
struct OpenArray {
  std::unique_ptr<ByteSource> source;
  ArrayHeader header;
};

/// @param budget bytes that may still be decoded; what the array takes is subtracted
Result<OpenArray> open_array(const ZipArchive& archive, const std::string& entry, std::uint64_t& budget) {
  CONSILIUM_ASSIGN(const std::uint64_t entry_bytes, archive.size_of(entry));
  OpenArray array;
  CONSILIUM_ASSIGN(array.source, archive.open_entry(entry));
  std::uint64_t header_bytes = 0;
  CONSILIUM_ASSIGN(array.header, read_npy_header(*array.source, header_bytes));
  CONSILIUM_ASSIGN(const std::uint64_t bytes, data_bytes(array.header, budget));
  if (header_bytes + bytes != entry_bytes) {
    return refuse(fmt::format("its header declares a shape of [{}] of {}, {} bytes of data, but {} bytes follow it",
                              fmt::join(array.header.shape, ", "), name_of(array.header.type), bytes,
                              entry_bytes < header_bytes ? 0 : entry_bytes - header_bytes));
  }
  budget -= bytes;
  return array;
}

Result<Values> images(const ZipArchive& archive, const std::string& entry, const Dataset& dataset,
                      std::uint64_t& budget) {
  CONSILIUM_ASSIGN(const OpenArray array, open_array(archive, entry, budget));
  CONSILIUM_ASSIGN(Values values, read_values(*array.source, array.header, dataset));
  CONSILIUM_TRY(array.source->expect_end());
  return values;
}

Result<std::vector<std::uint16_t>> labels(const ZipArchive& archive, const std::string& entry, const Dataset& dataset,
                                          std::uint64_t& budget) {
  CONSILIUM_ASSIGN(const OpenArray array, open_array(archive, entry, budget));
  CONSILIUM_ASSIGN(std::vector<std::uint16_t> values, read_labels(*array.source, array.header, dataset.classes));
  CONSILIUM_TRY(array.source->expect_end());
  return values;
}

Result<Split> read_split(const ZipArchive& archive, const std::string& name, const Dataset& dataset,
                         std::uint64_t& budget) {
  const std::string image_name = name + "_images", label_name = name + "_labels";
  const bool has_images = archive.contains(image_name + ".npy"), has_labels = archive.contains(label_name + ".npy");
  if (!has_images && !has_labels && name != "train") return Split{};
  if (!has_images)
    return refuse(image_name + ": missing, expected the arrays train_images, train_labels, and val_ and test_ alike");
  if (!has_labels) return refuse(label_name + ": missing, expected a label for each of " + image_name);
  Split split;
  auto values = images(archive, image_name + ".npy", dataset, budget);
  if (!values) return fail(values.error().within(image_name));
  auto numbers = labels(archive, label_name + ".npy", dataset, budget);
  if (!numbers) return fail(numbers.error().within(label_name));
  split.values = std::move(*values);
  split.labels = std::move(*numbers);
  const std::size_t examples =
      std::visit([](const auto& v) { return v.size(); }, split.values) / dataset.example_size();
  if (examples == split.size()) return split;
  return refuse(fmt::format("{}: expected {} labels, one for each of {}, found {}", label_name, examples, image_name,
                            split.size()));
}

}  // namespace

Result<std::vector<std::uint64_t>> npz_shape(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const ZipArchive archive, ZipArchive::open(file));
  const std::string entry = "train_images.npy";
  if (!archive.contains(entry))
    return refuse("train_images: missing, expected MedMNIST's arrays (train_images, train_labels, ...)");
  CONSILIUM_ASSIGN(const std::unique_ptr<ByteSource> source, archive.open_entry(entry));
  std::uint64_t header_bytes = 0;
  CONSILIUM_ASSIGN(ArrayHeader header, read_npy_header(*source, header_bytes));
  return std::move(header.shape);
}

Result<void> read_npz(const std::filesystem::path& file, const ReadLimits& limits, Dataset& dataset) {
  CONSILIUM_ASSIGN(const ZipArchive archive, ZipArchive::open(file));
  std::uint64_t budget = limits.bytes;
  CONSILIUM_ASSIGN(dataset.train, read_split(archive, "train", dataset, budget));
  CONSILIUM_ASSIGN(dataset.val, read_split(archive, "val", dataset, budget));
  CONSILIUM_ASSIGN(dataset.test, read_split(archive, "test", dataset, budget));
  return {};
}

}  // namespace consilium::data
