#include "common/files/state_dir.h"

#include <unistd.h>

#include <system_error>

namespace consilium::files {

std::string state_dir_problem(std::string_view daemon, const std::filesystem::path& folder, std::string_view why) {
  const std::string path = folder.string(), name(daemon);
  return name + ".yaml: state_dir: " + path + ": " + std::string(why) + "; make it as root, for the user that the " +
         name + " runs as: install -d -o USER -m 700 " + path;
}

Result<void> check_state_dir(std::string_view daemon, const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::path there = std::filesystem::absolute(folder, ignored).lexically_normal();
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  if (!std::filesystem::is_directory(there, ignored)) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(daemon) + ".yaml: state_dir: " + there.string() + " is no folder; choose another path");
  }
  if (::access(there.c_str(), W_OK | X_OK) == 0) return {};
  return fail(ErrorCode::kPermissionDenied,
              state_dir_problem(daemon, folder, "this user may not write in " + there.string()));
}

}  // namespace consilium::files
