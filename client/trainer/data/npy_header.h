#pragma once

#include <cstdint>
#include <string_view>

#include "client/trainer/data/array_reader.h"
#include "client/trainer/data/byte_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Parses the dictionary of a .npy header: exactly descr, fortran_order and shape, each once. Refuses big-endian and
/// structured types, Fortran order, negative and absurd sizes.
Result<ArrayHeader> parse_npy_dictionary(std::string_view text);

/// Reads a .npy file's beginning (formats 1.0 to 3.0), up to the data.
/// @param header_bytes set to how many bytes that was
Result<ArrayHeader> read_npy_header(ByteSource& source, std::uint64_t& header_bytes);

}  // namespace consilium::data
