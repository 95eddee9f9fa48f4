#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace consilium::encoding {

/// Reads bytes from lower-case hexadecimal digits. Returns nullopt if the text is anything else.
[[nodiscard]] std::optional<std::vector<std::byte>> bytes_from_hex(std::string_view text);

}  // namespace consilium::encoding
