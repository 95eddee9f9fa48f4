#include "client/trainer/data/npz_reader.h"

#include <spdlog/fmt/fmt.h>

#include <string>
#include <utility>

#include "client/trainer/data/array_reader.h"
#include "client/trainer/data/npy_header.h"
#include "client/trainer/data/zip_archive.h"

namespace consilium::data {
namespace {

/// An array that is opened up to its data, with its sizes checked.
struct OpenArray {
  std::unique_ptr<ByteSource> source;
  ArrayHeader header;
};

/// @param budget bytes that may still be decoded; the array's bytes are subtracted
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

/// The targets of a split's examples, and their kind.
struct SplitTargets {
  TargetKind kind = TargetKind::kClass;
  std::vector<std::uint16_t> labels;
  std::vector<std::uint8_t> parts;
};

Result<SplitTargets> targets(const ZipArchive& archive, const std::string& entry, bool masks, const Dataset& dataset,
                             std::uint64_t& budget) {
  CONSILIUM_ASSIGN(const OpenArray array, open_array(archive, entry, budget));
  SplitTargets found;
  if (masks) {
    found.kind = TargetKind::kMask;
    CONSILIUM_ASSIGN(found.parts, read_masks(*array.source, array.header, dataset));
  } else if (has_columns(array.header)) {
    found.kind = TargetKind::kLabels;
    CONSILIUM_ASSIGN(found.parts, read_columns(*array.source, array.header));
  } else {
    CONSILIUM_ASSIGN(found.labels, read_labels(*array.source, array.header, dataset.classes));
  }
  if (found.kind != TargetKind::kClass) found.labels.assign(array.header.shape[0], 0);
  CONSILIUM_TRY(array.source->expect_end());
  return found;
}

/// Checks a split's kind of target. The training split comes first and sets it for the others.
Result<void> take_kind(const SplitTargets& found, const Split& split, Dataset& dataset) {
  if (&split == &dataset.train) dataset.target = found.kind;
  if (found.labels.empty()) return {};
  if (found.kind != dataset.target)
    return refuse(fmt::format("its targets are of the kind '{}', but those of the training split are of the kind '{}'",
                              name_of(found.kind), name_of(dataset.target)));
  const std::size_t labels = found.parts.size() / found.labels.size();
  if (found.kind == TargetKind::kLabels && &split != &dataset.train && labels != dataset.train.parts_size())
    return refuse(fmt::format("expected {} labels for each example as in train_labels, found {}",
                              dataset.train.parts_size(), labels));
  return {};
}

Result<void> read_split(const ZipArchive& archive, const std::string& name, Split& split, Dataset& dataset,
                        std::uint64_t& budget) {
  const std::string image_name = name + "_images", label_name = name + "_labels", mask_name = name + "_masks";
  const bool has_images = archive.contains(image_name + ".npy"), has_labels = archive.contains(label_name + ".npy"),
             has_masks = archive.contains(mask_name + ".npy");
  if (!has_images && !has_labels && !has_masks && name != "train") return {};
  if (!has_images)
    return refuse(
        image_name +
        ": missing; expected the arrays train_images, train_labels (or train_masks), and the same with val_ and test_");
  if (!has_labels && !has_masks)
    return refuse(fmt::format("{}: missing, expected a label for each of {}, or a mask in {}", label_name, image_name,
                              mask_name));
  if (has_labels && has_masks) return refuse(fmt::format("{} and {}: expected one of them", label_name, mask_name));
  auto values = images(archive, image_name + ".npy", dataset, budget);
  if (!values) return fail(values.error().within(image_name));
  const std::string& target_name = has_masks ? mask_name : label_name;
  auto found = targets(archive, target_name + ".npy", has_masks, dataset, budget);
  if (!found) return fail(found.error().within(target_name));
  if (auto taken = take_kind(*found, split, dataset); !taken) return fail(taken.error().within(target_name));
  split.values = std::move(*values);
  split.labels = std::move(found->labels);
  split.parts = std::move(found->parts);
  const std::size_t examples =
      std::visit([](const auto& v) { return v.size(); }, split.values) / dataset.example_size();
  if (examples == split.size()) return {};
  return refuse(fmt::format("{}: expected {} {}, one for each of {}, found {}", target_name, examples,
                            has_masks ? "masks" : "labels", image_name, split.size()));
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
  CONSILIUM_TRY(read_split(archive, "train", dataset.train, dataset, budget));
  CONSILIUM_TRY(read_split(archive, "val", dataset.val, dataset, budget));
  CONSILIUM_TRY(read_split(archive, "test", dataset.test, dataset, budget));
  return {};
}

}  // namespace consilium::data
