#pragma once

#include <filesystem>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

/// Returns the shape of train_images, N first.
Result<std::vector<std::uint64_t>> npz_shape(const std::filesystem::path& file);

/// Fills the splits of a dataset whose shape and classes are set, from a file in MedMNIST's layout. The targets can be
/// one class for each example, several labels (N x L), or masks in arrays of their own. Errors begin with the array's
/// name; read_dataset() puts the file before it.
Result<void> read_npz(const std::filesystem::path& file, const ReadLimits& limits, Dataset& dataset);

}  // namespace consilium::data
