#pragma once

#include <span>
#include <string>
#include <string_view>

namespace consilium::config {

/// Returns the known word that `found` was most probably meant to be: the one at the smallest optimal-string-alignment
/// distance (insertions, deletions, substitutions, swaps of neighbours), ignoring case, and the first of several at the
/// same distance. Returns "" if no word is near, that is, if more than one change would be needed, or in long words
/// more changes than a third of the letters. Only the first 64 bytes of each word are compared, so that hostile keys
/// cost nothing.
[[nodiscard]] std::string nearest(std::string_view found, std::span<const std::string_view> known);

/// Returns the end of an error message about an unknown word: "did you mean 'rounds'?" if a known word is near,
/// otherwise "expected one of rounds, sites, ...".
[[nodiscard]] std::string meant(std::string_view found, std::span<const std::string_view> known);

}  // namespace consilium::config
