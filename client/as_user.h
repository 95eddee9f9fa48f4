#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::client {

/// The user that a daemon runs as.
struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
/// Returns the user of this name if this process runs as root, and otherwise the user that it runs as. kNotFound if
/// there is no such user.
Result<User> daemon_user(const std::string& name);

/// Changes the effective user and all groups of this process during its lifetime, if the process runs as root. Files
/// then belong to that user, and root's rights aren't used in a folder that isn't root's. Only for a process with one
/// thread.
class AsUser {
 public:
  explicit AsUser(const User& user);
  ~AsUser();
  AsUser(const AsUser&) = delete;
  AsUser& operator=(const AsUser&) = delete;

 private:
  bool changed_ = false;
  std::vector<gid_t> groups_;  ///< of root
};

/// Runs a program to its end, with this process's input and output, and returns its exit code. kNotFound if there is no
/// such program.
/// @param user  the user that it runs as; null: the same user as this process
Result<int> run_program(const std::vector<std::string>& command, const User* user = nullptr);

}  // namespace consilium::client
