#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::cli {

/// A daemon that this command started. It leads its own process group (Ctrl-C doesn't reach it), writes its output to a
/// log file, and always ends with this process. Not thread-safe; create and destroy it on the same thread.
class DaemonProcess {
 public:
  /// @param name  its name in messages
  static Result<std::unique_ptr<DaemonProcess>> start(std::string name, const std::vector<std::string>& command,
                                                      const std::filesystem::path& log);
  ~DaemonProcess();  ///< kills its process group
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Returns true while the process exists. Collects its exit status once it has ended.
  [[nodiscard]] bool running();
  /// Fails if it has ended by itself. The error contains the end of its log.
  Result<void> check();
  /// Returns the text of the last warning or error in its log, or the reason that a job was declined. Returns "" if
  /// there is none.
  [[nodiscard]] std::string last_trouble() const;
  /// Sends SIGTERM.
  void ask_to_stop();
  /// Waits until it has ended, but no longer than until `deadline`; then kills its process group. Returns true if it
  /// ended by itself with exit code 0.
  bool wait_stopped(std::chrono::steady_clock::time_point deadline);
  /// Returns true if any process of its group is left.
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

/// Stops daemons in parallel within `grace`. Returns the names of those that had to be killed.
std::vector<std::string> stop_all(std::vector<std::unique_ptr<DaemonProcess>>& daemons,
                                  std::chrono::milliseconds grace);

}  // namespace consilium::cli
