#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Conversions of the scalars of a configuration. Each to_ function returns nullopt unless the whole text matches
/// exactly.
namespace consilium::config {

/// Reads a decimal number ("0.01", "-3", "1e-4"). Rejects "nan", "inf", hexadecimal numbers and anything that a double
/// can't hold. Reads -0 as 0.
[[nodiscard]] std::optional<double> to_number(std::string_view text);
/// Reads a decimal integer without a sign, point or leading zeros.
[[nodiscard]] std::optional<std::uint64_t> to_integer(std::string_view text);
/// Reads "500ms", "90s", "10m", "2h" or "7d": an integer and a unit.
[[nodiscard]] std::optional<std::chrono::milliseconds> to_duration(std::string_view text);
/// Reads an integer and a unit, and returns bytes: "512B", "64KiB", "4GiB", "2TiB", ... or, for powers of ten, kB, MB,
/// GB, TB.
[[nodiscard]] std::optional<std::uint64_t> to_size(std::string_view text);

/// Writes a duration in the largest unit that divides it: "10m", "1500ms".
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);

/// Checks the name of a job, site, data set or person: 1 to 63 of [a-z0-9-], beginning and ending with a letter or
/// digit.
[[nodiscard]] bool is_name(std::string_view text);
inline constexpr std::string_view kNameRule =
    "1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit";

/// Quotes text for an error message: cuts it after 48 bytes and shows unprintable characters as '?'.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace consilium::config
