#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::pki {

/// What an authority records about one certificate (docs/formats/authority.md).
struct IndexEntry {
  Role role = Role::kSite;
  std::string name;
  std::string serial;          ///< 32 hexadecimal digits
  std::time_t not_after = 0;   ///< UTC seconds
  std::string fingerprint;     ///< SHA-256 of the SubjectPublicKeyInfo, hex
  std::time_t revoked_at = 0;  ///< 0: not revoked
};

/// The validity of a revocation list by default, and the longest that may be requested.
inline constexpr std::chrono::days kListValidity{30};
inline constexpr std::chrono::days kLongestList{3650};

/// The content of index.json in an authority's folder.
struct Index {
  std::string consortium;
  std::uint64_t list_number = 0;      ///< CRL number of the newest revocation list
  std::time_t list_end = 0;           ///< when that list ends, UTC seconds; 0: from a version in which lists had no end
  std::chrono::days list_validity{};  ///< how long each new list is valid
  std::vector<IndexEntry> certificates;
};

Result<Index> read_index(const std::filesystem::path& file);
Result<void> write_index(const std::filesystem::path& file, const Index& index);

/// Formats UTC seconds as ISO 8601, "2026-03-01T12:00:00Z".
[[nodiscard]] std::string to_iso(std::time_t seconds);
Result<std::time_t> from_iso(std::string_view text);

}  // namespace consilium::pki
