#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "client/trainer/data/byte_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Opens a file, and inflates it while reading if it is compressed with gzip.
/// @param largest set to the maximum number of bytes that the file can hold when inflated
Result<std::unique_ptr<ByteSource>> open_plain_or_gzip(const std::filesystem::path& file, std::uint64_t& largest);

}  // namespace consilium::data
