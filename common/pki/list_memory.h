#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "common/error/error.h"

namespace consilium::pki {

/// Remembers the highest number that was seen among an authority's revocation lists, so that nobody can reinstate an
/// older list, which lacks the newest revocations. A folder holds one file for each authority
/// (docs/formats/authority.md). Not thread-safe, but several processes may share the folder.
class ListMemory {
 public:
  /// @param folder  created if it is missing; if empty, nothing outlives this object
  explicit ListMemory(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Remembers that `number` was seen. The first list of an authority is accepted with any number. Fails with
  /// kFailedPrecondition if a higher number was seen before, and with other errors if the file can't be read or
  /// written.
  /// @param authority  fingerprint of the root's key, 64 hexadecimal digits
  Result<void> admit(const std::string& authority, std::uint64_t number);

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::uint64_t> seen_;  ///< since this object was created
};

/// Copies the files of a folder, so that a check can compare a list with them without writing to the folder. Files that
/// can't be copied are left out.
void copy_list_memory(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace consilium::pki
