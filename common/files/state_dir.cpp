#include "common/files/state_dir.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <vector>

#include "common/files/descriptor.h"

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
                std::string(daemon) + ".yaml: state_dir: " + there.string() + " is not a folder; choose another path");
  }
  if (::access(there.c_str(), W_OK | X_OK) != 0) {
    return fail(ErrorCode::kPermissionDenied,
                state_dir_problem(daemon, folder, "this user may not write in " + there.string()));
  }
  if (std::filesystem::absolute(folder, ignored).lexically_normal() != there) return {};
  for (std::filesystem::directory_iterator entry(there, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    std::error_code unknown;
    if (!entry->is_regular_file(unknown) || ::access(entry->path().c_str(), R_OK | W_OK) == 0) continue;
    return fail(ErrorCode::kPermissionDenied,
                std::string(daemon) + ".yaml: state_dir: this user may not read and write " + entry->path().string() +
                    "; give the folder's files to the user that the " + std::string(daemon) +
                    " runs as: chown -R USER " + there.string());
  }
  return {};
}

Result<std::string> become_owner(const std::filesystem::path& folder) {
  struct stat owned {};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &owned) != 0 || owned.st_uid == 0) return std::string();
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* user = nullptr;
  if (::getpwuid_r(owned.st_uid, &entry, buffer.data(), buffer.size(), &user) != 0) user = nullptr;
  const std::string name = user == nullptr ? std::to_string(owned.st_uid) : std::string(user->pw_name);
  const gid_t group = user == nullptr ? owned.st_gid : user->pw_gid;
  const int groups = user == nullptr ? ::setgroups(0, nullptr) : ::initgroups(user->pw_name, group);
  if (groups != 0 || ::setresgid(group, group, group) != 0 ||
      ::setresuid(owned.st_uid, owned.st_uid, owned.st_uid) != 0) {
    return fail(system_error(folder, "switch to its owner, " + name));
  }
  return name;
}

}  // namespace consilium::files
