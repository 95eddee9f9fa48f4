#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::files {

/// Says what is wrong with a daemon's state_dir, with its key and what to do: "client.yaml: state_dir: ...".
/// @param daemon  "client" or "coordinator"
[[nodiscard]] std::string state_dir_problem(std::string_view daemon, const std::filesystem::path& folder,
                                            std::string_view why);

/// Checks that this user could make a daemon's state_dir, or write in it and in its files where it is there. Writes
/// nothing. Fails with kPermissionDenied, and with kInvalidArgument where something else lies there.
Result<void> check_state_dir(std::string_view daemon, const std::filesystem::path& folder);

/// Makes this process, where it runs as root, the user who owns a daemon's state_dir, for good: what it finds readable
/// is then what the daemon finds readable, and it leaves no file of root's behind. Does nothing where root owns the
/// folder, or it isn't there.
/// @return the user's name; "" where nothing was changed
Result<std::string> become_owner(const std::filesystem::path& folder);

}  // namespace consilium::files
