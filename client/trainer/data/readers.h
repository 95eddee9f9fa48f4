#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/dataset.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Reads one type of data set. A type is registered by its line in readers(), and by its name and keys in
/// trainer::data_types(); nothing else knows the types.
struct Reader {
  std::string_view type;
  /// Lists the items. `decoder` may be null where the files are numpy's.
  Result<Collection> (*list)(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);
  /// Reads whole arrays that have the model's shape already, into a data set whose shape and classes are set; null for
  /// types of single files.
  Result<void> (*arrays)(const std::filesystem::path& path, const ReadLimits& limits, Dataset& dataset);
  /// Shape of the training images as the files have it, N first; null where `arrays` is.
  Result<std::vector<std::uint64_t>> (*array_shape)(const std::filesystem::path& path);
};

[[nodiscard]] std::span<const Reader> readers();
/// Fails with kInvalidArgument for a type that there isn't.
Result<const Reader*> reader_of(const trainer::DataSource& source);

/// Lists a data set's items, divided into splits, each patient in one of them. Files are hostile: see the readers.
/// Errors name the data set's path, files and rows, and are for the site's own eyes.
Result<Collection> list_items(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);

/// Names the type by what lies at `path`, for commands that are given a path alone: a file is npz, a folder idx where
/// MNIST's files lie in it, else image_folder.
[[nodiscard]] trainer::DataSource source_at(const std::filesystem::path& path);

/// Shape of an example for a model, of an array N x H x W, N x H x W x C (C of 1, 3 or 4), N x C x H x W, N x D x H x W
/// x C or N x F.
Result<std::vector<std::int64_t>> model_input_of(const std::vector<std::uint64_t>& array_shape);

}  // namespace consilium::data
