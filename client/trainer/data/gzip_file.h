#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "client/trainer/data/byte_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Opens a file, and inflates it on the way where it is gzip's.
/// @param largest set to how many bytes the file can hold at most, inflated
Result<std::unique_ptr<ByteSource>> open_plain_or_gzip(const std::filesystem::path& file, std::uint64_t& largest);

}  // namespace consilium::data
