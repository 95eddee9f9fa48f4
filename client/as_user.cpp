#include "client/as_user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace consilium::client {
namespace {

constexpr int kNotStarted = 127;

}  // namespace

Result<User> daemon_user(const std::string& name) {
  const passwd* entry = ::geteuid() == 0 ? ::getpwnam(name.c_str()) : ::getpwuid(::geteuid());
  if (entry == nullptr && ::geteuid() != 0) return User{"", ::geteuid(), ::getegid()};
  if (entry == nullptr) {
    return fail(ErrorCode::kNotFound, "there is no user '" + name + "'; create it first: useradd --system --home-dir " +
                                          "/var/lib/consilium --shell /usr/sbin/nologin " + name);
  }
  return User{entry->pw_name, entry->pw_uid, entry->pw_gid};
}

AsUser::AsUser(const User& user) {
  if (::geteuid() != 0 || user.uid == 0) return;
  const int count = ::getgroups(0, nullptr);
  if (count > 0) groups_.resize(static_cast<std::size_t>(count));
  if (count < 0 || ::getgroups(count, groups_.data()) != count) std::abort();
  changed_ = ::initgroups(user.name.c_str(), user.gid) == 0 && ::setegid(user.gid) == 0 && ::seteuid(user.uid) == 0;
  if (!changed_) std::abort();  // as root it would leave files that the daemon can't read
}

AsUser::~AsUser() {
  if (!changed_) return;
  if (::seteuid(0) != 0 || ::setegid(0) != 0 || ::setgroups(groups_.size(), groups_.data()) != 0) std::abort();
}

Result<int> run_program(const std::vector<std::string>& command, const User* user) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const bool changes = user != nullptr && ::geteuid() == 0 && user->uid != 0;
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kResourceExhausted, command[0] + ": can't be started: fork failed");
  if (child == 0) {
    if (changes &&
        (::initgroups(user->name.c_str(), user->gid) != 0 || ::setgid(user->gid) != 0 || ::setuid(user->uid) != 0)) {
      ::_exit(1);
    }
    ::execvp(arguments[0], arguments.data());
    ::_exit(errno == ENOENT ? kNotStarted : 126);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail(ErrorCode::kInternal, command[0] + ": waiting for it failed");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotStarted)
    return fail(ErrorCode::kNotFound, command[0] + ": this machine has no such program");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace consilium::client
