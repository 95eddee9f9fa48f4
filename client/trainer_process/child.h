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

/// One confined trainer process, and its decoder if it has one, from fork to reaping. A dedicated thread forks it,
/// forwards what it prints, watches its memory and reaps it. The child dies with that thread.
class TrainerChild {
 public:
  /// Starts the process without waiting for its Hello. Returns the same errors as launch().
  static Result<std::unique_ptr<TrainerChild>> start(const TrainerConfig& config);
  /// Sends SIGTERM, then SIGKILL after 1 s, and reaps the process.
  ~TrainerChild();
  TrainerChild(const TrainerChild&) = delete;
  TrainerChild& operator=(const TrainerChild&) = delete;

  [[nodiscard]] RecordChannel& channel() { return channel_; }
  /// Returns -1 once the process has been reaped.
  [[nodiscard]] int pid() const;
  /// Returns -1 if the trainer has no decoder.
  [[nodiscard]] int decoder_pid() const;
  [[nodiscard]] bool alive() const { return pid() >= 0; }
  /// Returns the peak memory use seen (resident and swapped out), in bytes.
  [[nodiscard]] std::uint64_t peak_resident_bytes() const;

  /// Kills the process and its process group, and waits until it is reaped.
  void kill();
  /// Waits for the process to end by itself. Returns false if it is still running after `timeout`.
  bool wait_ended(std::chrono::milliseconds timeout);
  /// Returns why the process ended: a memory or thread limit (kResourceExhausted), a signal (kUnavailable), or its exit
  /// status (kInternal).
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

  mutable std::mutex mutex_;  ///< guards the members below
  std::condition_variable ended_;
  int pid_ = -1;
  int decoder_pid_ = -1;
  int status_ = 0;  ///< as waitpid() returns it
  std::string last_line_;
  bool single_ = true;                 ///< its system call filter lets it have no other process
  std::optional<std::string> excess_;  ///< the exceeded limit that it was killed for
  mutable std::uint64_t peak_ = 0;

  std::jthread watcher_;
};

}  // namespace consilium::trainer
