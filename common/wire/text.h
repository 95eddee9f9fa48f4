#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text from the wire can end up in logs and on terminals. So it must be UTF-8 without control characters, and of
/// bounded length.
namespace consilium::wire {

/// Returns true for well-formed UTF-8 (Unicode 15, table 3-7) without control characters (C0, DEL, C1).
[[nodiscard]] bool is_clean_text(std::string_view text);

/// Cleans text: control characters become spaces, malformed bytes become '?', and text beyond `max_bytes` is cut at a
/// character boundary.
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t max_bytes);
/// Clean text like clean_text(), to at most kMaxNameBytes or kMaxReasonBytes.
[[nodiscard]] std::string clean_name(std::string_view text);
[[nodiscard]] std::string clean_reason(std::string_view text);

}  // namespace consilium::wire
