#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Lists the rows of whole arrays (npz, idx), one item for each row. The arrays are read into memory once.
Result<Collection> list_array_items(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);

}  // namespace consilium::data
