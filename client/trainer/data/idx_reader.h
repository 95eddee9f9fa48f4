#pragma once

#include <filesystem>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

/// Returns the shape of the training images, N first. Errors begin with the file's name.
Result<std::vector<std::uint64_t>> idx_shape(const std::filesystem::path& folder);

/// Fills the splits of a dataset whose shape and classes are set, from MNIST's four files in a folder. Each file is
/// plain or has .gz. train-* is the training split and t10k-* the test split; there is no validation split. Errors
/// begin with the file's name; read_dataset() puts the folder before it.
Result<void> read_idx(const std::filesystem::path& folder, const ReadLimits& limits, Dataset& dataset);

}  // namespace consilium::data
