#include "tests/rogue_coordinator/client_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <utility>

#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::rogue {

ClientProcess::ClientProcess(const std::filesystem::path& config, std::filesystem::path log,
                             const std::vector<std::string>& environment, bool unprivileged)
    : log_(std::move(log)) {
  std::vector<std::string> arguments;
  if (unprivileged && ::geteuid() == 0) {
    arguments = {"/usr/bin/setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"};
  }
  arguments.insert(arguments.end(), {CONSILIUM_BIN_DIR "/consilium-client", "--config", config.string()});
  std::vector<std::string> variables = environment;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  const int failed = ::posix_spawn(&pid_, arguments[0].c_str(), &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error(arguments[0] + " doesn't start");
}

ClientProcess::~ClientProcess() { kill(); }

void ClientProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool ClientProcess::running() {
  if (pid_ >= 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ >= 0;
}

std::string ClientProcess::log() const { return pki::text_of(log_); }

}  // namespace consilium::rogue
