#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace consilium::encoding {

/// Reads bytes written as lower-case hexadecimal digits; nothing where the text isn't that.
[[nodiscard]] std::optional<std::vector<std::byte>> bytes_from_hex(std::string_view text);

}  // namespace consilium::encoding
