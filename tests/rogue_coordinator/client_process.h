#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace consilium::rogue {

/// The real consilium-client, as a process with a log of its own. The destructor kills it.
class ClientProcess {
 public:
  /// @param environment  "NAME=value", in addition to this process's own
  /// @param unprivileged  if the test runs as root, run the client as nobody, which must be able to read the files
  ClientProcess(const std::filesystem::path& config, std::filesystem::path log,
                const std::vector<std::string>& environment = {}, bool unprivileged = false);
  ~ClientProcess();
  ClientProcess(const ClientProcess&) = delete;
  ClientProcess& operator=(const ClientProcess&) = delete;

  /// Kills the client without cleaning up, like a power cut.
  void kill();
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string log() const;

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

}  // namespace consilium::rogue
