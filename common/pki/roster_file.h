#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::pki {

/// A consortium's sites and the keys that speak for them, as its authority lists them and as each member compared them
/// over another channel.
struct Roster {
  std::string consortium;
  std::map<std::string, crypto::Digest> keys;           ///< SHA-256 of each SubjectPublicKeyInfo; all different
  std::map<std::string, crypto::Digest> researchers{};  ///< whose signatures under jobs count

  bool operator==(const Roster&) const = default;
};

/// Largest roster accepted, in bytes and sites.
inline constexpr std::size_t kMaxRosterBytes = 1 << 20;
inline constexpr std::size_t kMaxRosterSites = 10'000;

/// Reads what roster_text() or `consilium ca roster --json` writes. Errors name the file and key. Hostile input: size,
/// depth and entries are bounded.
Result<Roster> read_roster(const std::filesystem::path& file);
Result<Roster> parse_roster(std::string_view text, std::string_view source);

}  // namespace consilium::pki
