#pragma once

#include <filesystem>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

/// Writes a data set as numpy's npz in MedMNIST's layout, uncompressed, through a temporary file and a rename. The same
/// data set always gives the same bytes. Images of one channel are N x H x W, others N x C x H x W; labels are N x 1,
/// uint8 (uint16 above 256 classes). read_dataset() reads the file back to an equal Dataset.
Result<void> write_npz(const std::filesystem::path& file, const Dataset& dataset);

}  // namespace consilium::data
