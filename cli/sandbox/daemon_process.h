#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::cli {

/// A daemon that this command started: it leads a process group of its own (Ctrl-C doesn't reach it), its output goes
/// to a log file, and it ends with this process whatever happens. Not thread-safe; made and destroyed on one thread.
class DaemonProcess {
 public:
  /// @param name  what messages call it
  static Result<std::unique_ptr<DaemonProcess>> start(std::string name, const std::vector<std::string>& command,
                                                      const std::filesystem::path& log);
  ~DaemonProcess();  ///< kill()
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Is it still there? Collects it when it isn't.
  [[nodiscard]] bool running();
  /// Fails where it has ended by itself, with the end of its log.
  Result<void> check();
  /// Returns the text of the last warning or error in its log; "" where there is none.
  [[nodiscard]] std::string last_trouble() const;
  /// SIGTERM.
  void ask_to_stop();
  /// Waits until it has ended, at most until `deadline`; then kills its group. Returns whether it ended by itself with
  /// exit code 0.
  bool wait_stopped(std::chrono::steady_clock::time_point deadline);
  /// Is any process of its group left?
  [[nodiscard]] bool group_alive() const;

 private:
  DaemonProcess(std::string name, pid_t pid, std::filesystem::path log)
      : name_(std::move(name)), pid_(pid), log_(std::move(log)) {}
  void kill_group();

  std::string name_;
  pid_t pid_;
  std::filesystem::path log_;
  bool ended_ = false;
  int status_ = 0;
};

/// Stops daemons in parallel, within `grace`. Returns the names of those that had to be killed.
std::vector<std::string> stop_all(std::vector<std::unique_ptr<DaemonProcess>>& daemons,
                                  std::chrono::milliseconds grace);

}  // namespace consilium::cli
