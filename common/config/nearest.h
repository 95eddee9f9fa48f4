#pragma once

#include <span>
#include <string>
#include <string_view>

namespace consilium::config {

/// Returns the known word that `found` was most probably meant to be: the one at the smallest optimal-string-alignment
/// distance (insertions, deletions, substitutions, swaps of neighbours), case ignored; the first of several. "" where
/// nothing is near: more than one change, or in long words more than a third of the letters, would be needed. Only the
/// first 64 bytes of either word count, so that hostile keys cost nothing.
[[nodiscard]] std::string nearest(std::string_view found, std::span<const std::string_view> known);

/// Ends the refusal of a word: "did you mean 'rounds'?" where one is near, else "known are rounds, sites, ...".
[[nodiscard]] std::string meant(std::string_view found, std::span<const std::string_view> known);

}  // namespace consilium::config
