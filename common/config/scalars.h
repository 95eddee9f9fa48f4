#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What the words of a configuration mean. Each function returns nothing for anything but a whole, exact match.
namespace consilium::config {

/// Reads a decimal number ("0.01", "-3", "1e-4"); never "nan", "inf", hexadecimal, or what a double can't hold. -0 is
/// 0.
[[nodiscard]] std::optional<double> to_number(std::string_view text);
/// Reads a decimal integer without sign, point or leading zeros.
[[nodiscard]] std::optional<std::uint64_t> to_integer(std::string_view text);
/// Reads "500ms", "90s", "10m", "2h" or "7d": an integer and a unit.
[[nodiscard]] std::optional<std::chrono::milliseconds> to_duration(std::string_view text);
/// Reads "512B", "64KiB", "4GiB", "2TiB", ... (or kB, MB, GB, TB: powers of ten): an integer and a unit. Bytes.
[[nodiscard]] std::optional<std::uint64_t> to_size(std::string_view text);

/// Writes a duration in the largest unit that divides it: "10m", "1500ms".
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);

/// Names of jobs, sites, data sets and people: 1 to 63 of [a-z0-9-], beginning and ending with a letter or digit.
[[nodiscard]] bool is_name(std::string_view text);
inline constexpr std::string_view kNameRule =
    "1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit";

/// Puts text in quotes for an error: cut after 48 bytes, what doesn't print shown as '?'.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace consilium::config
