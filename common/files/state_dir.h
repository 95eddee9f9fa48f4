#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::files {

/// Returns a message about a daemon's state_dir, with the key and what to do: "client.yaml: state_dir: ...".
/// @param daemon  "client" or "coordinator"
[[nodiscard]] std::string state_dir_problem(std::string_view daemon, const std::filesystem::path& folder,
                                            std::string_view why);

/// Checks that this user could create a daemon's state_dir or, if it exists, could write to it and its files. Writes
/// nothing. Fails with kPermissionDenied, or with kInvalidArgument if something other than a folder is in the way.
Result<void> check_state_dir(std::string_view daemon, const std::filesystem::path& folder);

/// If this process runs as root, changes its user permanently to the owner of a daemon's state_dir. Then it can read
/// exactly what the daemon can read, and it leaves no files that root owns. Does nothing if root owns the folder or it
/// doesn't exist.
/// @return the user's name, or "" if nothing was changed
Result<std::string> become_owner(const std::filesystem::path& folder);

}  // namespace consilium::files
