#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/roster/roster.h"

namespace consilium::roster {

/// Largest roster accepted, in bytes and entries.
inline constexpr std::size_t kMaxRosterBytes = 1 << 20;
inline constexpr std::size_t kMaxRosterSites = 10'000;
inline constexpr std::size_t kMaxPopulations = 1'000;
inline constexpr std::size_t kMaxHistory = 10'000;
inline constexpr std::size_t kMaxConsents = 1'000;
inline constexpr std::size_t kMaxSuccessions = 1'000;
/// Largest values of `colluding` and `examples`.
inline constexpr std::uint32_t kMaxColluding = 1'000;
inline constexpr std::uint64_t kMaxExamples = 1'000'000'000;

/// Reads a roster file (docs/formats/roster.md) and checks every rule that one roster alone can break; roster_change.h
/// checks what may follow what. Errors name the file and key. Hostile input: size, depth and entries are bounded.
/// Signatures are read, not verified.
Result<Roster> read_roster(const std::filesystem::path& file);
/// @param source  what errors call the text, e.g. the file's name
Result<Roster> parse_roster(std::string_view text, std::string_view source);

/// Writes a roster as YAML that people can read aloud to each other. parse_roster() gives the same roster back.
[[nodiscard]] std::string roster_text(const Roster& roster);
/// The same as JSON, one line, for programs; parse_roster() reads it too.
Result<std::string> roster_json(const Roster& roster);

}  // namespace consilium::roster
