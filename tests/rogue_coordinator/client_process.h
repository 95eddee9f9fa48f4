#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace consilium::rogue {

/// The real consilium-client, as a process with a log of its own. Killed with the object.
class ClientProcess {
 public:
  /// @param environment   "NAME=value", besides this process's own
  /// @param unprivileged  where the test runs as root: as nobody, who must be able to read the files
  ClientProcess(const std::filesystem::path& config, std::filesystem::path log,
                const std::vector<std::string>& environment = {}, bool unprivileged = false);
  ~ClientProcess();
  ClientProcess(const ClientProcess&) = delete;
  ClientProcess& operator=(const ClientProcess&) = delete;

  /// Like a power cut: nothing is tidied up.
  void kill();
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string log() const;

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

}  // namespace consilium::rogue
