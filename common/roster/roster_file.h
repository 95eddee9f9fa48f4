#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/roster/roster.h"

namespace consilium::roster {

/// The largest roster that is accepted, in bytes and entries.
inline constexpr std::size_t kMaxRosterBytes = 1 << 20;
inline constexpr std::size_t kMaxRosterSites = 10'000;
inline constexpr std::size_t kMaxPopulations = 1'000;
inline constexpr std::size_t kMaxHistory = 10'000;
inline constexpr std::size_t kMaxConsents = 1'000;
inline constexpr std::size_t kMaxSuccessions = 1'000;
/// The largest values of `colluding` and `examples`.
inline constexpr std::uint32_t kMaxColluding = 1'000;
inline constexpr std::uint64_t kMaxExamples = 1'000'000'000;

/// Reads a roster file (docs/formats/roster.md) and checks every rule that concerns a single roster; roster_change.h
/// checks what may follow what. Errors name the file and the key. The input may be hostile, so size, depth and entries
/// are bounded. Signatures are read but not verified.
Result<Roster> read_roster(const std::filesystem::path& file);
/// @param source  the name of the text in errors, e.g. the file's name
Result<Roster> parse_roster(std::string_view text, std::string_view source);

/// Returns a roster as YAML that people can read aloud to each other. parse_roster() returns the same roster.
[[nodiscard]] std::string roster_text(const Roster& roster);
/// Returns a roster as JSON on one line, for programs. parse_roster() reads it too.
Result<std::string> roster_json(const Roster& roster);

}  // namespace consilium::roster
