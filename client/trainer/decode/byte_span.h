#pragma once

#include <cstdint>
#include <span>

namespace consilium::decode {

/// The bytes of a file, or of part of one.
using Bytes = std::span<const std::uint8_t>;

}  // namespace consilium::decode
