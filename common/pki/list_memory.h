#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "common/error/error.h"

namespace consilium::pki {

/// Remembers the highest number among an authority's revocation lists that were seen, so that an older list, which
/// lacks the newest revocations, can't be put back. One file an authority in a folder (docs/formats/authority.md).
/// Not thread-safe; several processes may share the folder.
class ListMemory {
 public:
  /// @param folder  made where it is missing; empty: nothing outlives this object
  explicit ListMemory(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Remembers that `number` was seen; the first list of an authority is taken as it is. kFailedPrecondition where a
  /// higher number was seen before; other errors where the file can't be read or written.
  /// @param authority  fingerprint of the root's key, 64 hexadecimal digits
  Result<void> admit(const std::string& authority, std::uint64_t number);

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::uint64_t> seen_;  ///< since this object was made
};

/// Copies what a folder remembers, so that a check can hold a list against it and write nothing there. What can't be
/// copied is left out.
void copy_list_memory(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace consilium::pki
