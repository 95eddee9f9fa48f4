#pragma once

#include <span>
#include <string>
#include <string_view>

namespace consilium::config {

/// Returns the known word that `found` was most probably meant to be: the one at the smallest optimal-string-alignment
/// distance (insertions, deletions, substitutions, swaps of neighbours), case ignored; the first of several; "" where
/// nothing is known. Only the first 64 bytes of either word count, so that hostile keys cost nothing.
[[nodiscard]] std::string nearest(std::string_view found, std::span<const std::string_view> known);

}  // namespace consilium::config
