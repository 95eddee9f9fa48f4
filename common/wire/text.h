#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text that crosses the wire ends up in logs and on terminals: UTF-8 without control characters, of bounded length.
namespace consilium::wire {

/// Is the text well-formed UTF-8 (Unicode 15, table 3-7), free of control characters (C0, DEL, C1)?
[[nodiscard]] bool is_clean_text(std::string_view text);

/// Makes text clean: control characters become spaces, malformed bytes '?', and what exceeds `max_bytes` is cut off at
/// a character's edge.
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t max_bytes);
/// clean_text() of at most kMaxNameBytes, and of at most kMaxReasonBytes.
[[nodiscard]] std::string clean_name(std::string_view text);
[[nodiscard]] std::string clean_reason(std::string_view text);

}  // namespace consilium::wire
