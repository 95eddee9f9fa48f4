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

/// Reads one type of data set. A type is registered by an entry in readers() and by its name and keys in
/// trainer::data_types(); no other code knows the types.
struct Reader {
  std::string_view type;
  /// Lists the items. `decoder` can be null if the files are numpy files.
  Result<Collection> (*list)(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);
  /// Reads whole arrays that already have the model's shape into a data set whose shape and classes are set. Null for
  /// types that consist of single files.
  Result<void> (*arrays)(const std::filesystem::path& path, const ReadLimits& limits, Dataset& dataset);
  /// Returns the shape of the training images in the files, N first. Null if `arrays` is.
  Result<std::vector<std::uint64_t>> (*array_shape)(const std::filesystem::path& path);
};

[[nodiscard]] std::span<const Reader> readers();
/// Fails with kInvalidArgument if there is no such type.
Result<const Reader*> reader_of(const trainer::DataSource& source);

/// Lists a data set's items and divides them into splits, with each patient in only one split. The files are hostile
/// input: see the readers. Errors name the data set's path, files and rows, and are only for the people at the site.
Result<Collection> list_items(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);

/// Determines the type from what is at `path`, for commands that get only a path. A file is npz; a folder is idx if it
/// contains MNIST's files, and otherwise image_folder.
[[nodiscard]] trainer::DataSource source_at(const std::filesystem::path& path);

/// Returns the shape of an example for a model, given an array N x H x W, N x H x W x C (with C 1, 3 or 4), N x C x H x
/// W, N x D x H x W x C or N x F.
Result<std::vector<std::int64_t>> model_input_of(const std::vector<std::uint64_t>& array_shape);

}  // namespace consilium::data
