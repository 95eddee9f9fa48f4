#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "client/trainer/protocol/channel.h"
#include "client/trainer_process/memory_group.h"
#include "client/trainer_process/trainer_process.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// One confined trainer process, and its decoder where it has one, from fork to reaping. A thread of its own forks it
/// (the child dies with that thread), passes on what it prints, watches its memory and reaps it.
class TrainerChild {
 public:
  /// Starts the process; its Hello is not awaited. Errors as launch() has them.
  static Result<std::unique_ptr<TrainerChild>> start(const TrainerConfig& config);
  /// SIGTERM, SIGKILL after 1 s, reaped.
  ~TrainerChild();
  TrainerChild(const TrainerChild&) = delete;
  TrainerChild& operator=(const TrainerChild&) = delete;

  [[nodiscard]] RecordChannel& channel() { return channel_; }
  /// -1 once reaped.
  [[nodiscard]] int pid() const;
  /// -1 where the trainer has no decoder.
  [[nodiscard]] int decoder_pid() const;
  [[nodiscard]] bool alive() const { return pid() >= 0; }
  /// Highest resident memory seen, in bytes.
  [[nodiscard]] std::uint64_t peak_resident_bytes() const;

  /// Kills the process (its whole session group) and waits until it is reaped.
  void kill();
  /// Waits for the process to end by itself.
  bool wait_ended(std::chrono::milliseconds timeout);
  /// Says why an ended process ended: memory limit (kResourceExhausted), signal (kUnavailable), exit status
  /// (kInternal).
  [[nodiscard]] Error cause_of_death() const;

 private:
  TrainerChild(const TrainerConfig& config, RecordChannel channel) : config_(config), channel_(std::move(channel)) {}
  void run(struct Launching& launching);
  void watch(int log);
  void pass_on(std::string_view bytes);
  void pass_on_line();
  void check_usage();
  void reap();
  void signal(int number);

  const TrainerConfig config_;
  RecordChannel channel_;
  std::optional<MemoryGroup> group_;
  std::string line_;
  std::size_t lines_ = 0;

  mutable std::mutex mutex_;  ///< guards what follows
  std::condition_variable ended_;
  int pid_ = -1;
  int decoder_pid_ = -1;
  int status_ = 0;  ///< as waitpid() gives it
  std::string last_line_;
  bool single_ = true;                 ///< its system call filter lets it have no other process
  std::optional<std::string> excess_;  ///< for what it was killed
  mutable std::uint64_t peak_ = 0;

  std::jthread watcher_;
};

}  // namespace consilium::trainer
