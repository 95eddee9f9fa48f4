#pragma once

#include <cstdint>
#include <string_view>

#include "client/trainer/data/array_reader.h"
#include "client/trainer/data/byte_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Parses the dictionary of a .npy header, which must have exactly descr, fortran_order and shape, each once. Rejects
/// big-endian and structured types, Fortran order, and negative or absurd sizes.
Result<ArrayHeader> parse_npy_dictionary(std::string_view text);

/// Reads the beginning of a .npy file (formats 1.0 to 3.0), up to the data.
/// @param header_bytes set to the number of bytes read
Result<ArrayHeader> read_npy_header(ByteSource& source, std::uint64_t& header_bytes);

}  // namespace consilium::data
