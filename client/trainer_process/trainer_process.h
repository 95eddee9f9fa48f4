#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// How a trainer is started and confined.
struct TrainerConfig {
  std::vector<std::string> command;  ///< program and arguments; the socket's descriptor is passed as --socket-fd N
  std::string device = "auto";       ///< "auto", "cpu" or "cuda:N"
  unsigned threads = 1;
  std::uint64_t memory_limit_bytes = 0;  ///< 0: no limit; enforced by cgroup v2 if delegated, else by watching its RSS
  std::vector<std::filesystem::path> readable;  ///< data sets: what Landlock lets it read besides its libraries
  std::vector<std::filesystem::path> secrets;   ///< files and folders that no link in a data set may expose to it
  std::filesystem::path scratch;                ///< folder for the unnamed file that each child gets; empty: none
  /// Maximum size of any file that the child writes (RLIMIT_FSIZE), if it gets a scratch file.
  std::uint64_t scratch_bytes = 0;
  /// False (set by the policy): continue even if the kernel lacks Landlock, seccomp or network namespaces.
  bool require_sandbox = true;
  /// Receives what the trainer prints, line by line (printable characters, at most 1 KiB per line and 10,000 lines per
  /// process). Called on a thread of its own. If empty, the output is dropped.
  std::function<void(std::string_view line)> log;
};

/// A float32 or uint64 vector in memory shared with the trainer (memfd, sealed against resizing). Once it has held a
/// global model, only this object can write to it, and it can't receive a delta or counts any more.
class SharedVector {
 public:
  static Result<SharedVector> create(std::size_t bytes);
  SharedVector(SharedVector&&) noexcept;
  SharedVector& operator=(SharedVector&&) noexcept;
  ~SharedVector();

  [[nodiscard]] std::span<std::byte> bytes();
  [[nodiscard]] std::span<float> floats();
  [[nodiscard]] std::span<std::uint64_t> counts();
  [[nodiscard]] int descriptor() const { return fd_; }

 private:
  SharedVector(int fd, void* data, std::size_t size) : fd_(fd), data_(data), size_(size) {}
  int fd_ = -1;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Makes `vector` hold this many bytes. If its size changes, a new vector replaces it and the old content is lost.
Result<void> resize(std::optional<SharedVector>& vector, std::size_t bytes);

/// One warm trainer: a confined child process that keeps the model, the data and the CUDA context between requests. A
/// call on a dead trainer starts a new one. Every call blocks, and its stop token cancels it. Not thread-safe: only one
/// call at a time.
///
/// Errors: kUnavailable "trainer killed by signal 11 (SIGSEGV)" if it died of a signal (the caller may try once more);
/// kResourceExhausted for its memory limit or an out-of-memory; kInvalidArgument for what it reports about the data or
/// the model; kDataLoss for records that it may not send; kDeadlineExceeded if it hangs; kFailedPrecondition without a
/// sandbox.
class TrainerProcess {
 public:
  explicit TrainerProcess(TrainerConfig config);
  ~TrainerProcess();  ///< ends the child: SIGTERM, then SIGKILL after 1 s
  TrainerProcess(const TrainerProcess&) = delete;
  TrainerProcess& operator=(const TrainerProcess&) = delete;

  /// Starts the child if none is alive, and waits for its Hello. The calls below start the child by themselves; call
  /// this one to warm it up.
  Result<Hello> start();
  Result<Prepared> prepare(const Prepare& request, std::stop_token stop);
  /// @param global  parameter_count floats
  /// @param delta  where local - global is written
  Result<Trained> train(const Train& request, SharedVector& global, SharedVector& delta,
                        const std::function<void(const Progress&)>& progress, std::stop_token stop);
  Result<Evaluated> evaluate(const Evaluate& request, SharedVector& global, SharedVector& counts, std::stop_token stop);
  /// @param models  request.models models
  /// @param counts  request.patients times the counts that evaluate() gives
  Result<EvaluatedPatients> evaluate_patients(const EvaluatePatients& request, SharedVector& models,
                                              SharedVector& counts, std::stop_token stop);
  /// Returns what the trainer counted last. prepare() is repeated for a new child, which may find other data files.
  /// nullopt before the first prepare().
  [[nodiscard]] const std::optional<Prepared>& prepared() const;
  /// Has the trainer open the files of a data set, as far as needed to tell whether it may and can read them. Errors
  /// name the file and the reason. kFailedPrecondition if the trainer isn't Consilium's own and so can't be asked.
  Result<void> look(const DataSource& data);
  /// Has the next prepare() compare what the data sets' paths lead to with what the current child may read. If that has
  /// changed (a file was replaced by rename, a link leads elsewhere, a file system was remounted), it starts a new
  /// child. It also starts a new child, once, if a child that was started before this call fails to prepare, because
  /// not every kernel distinguishes two mounts at the same place.
  void look_at_data_again();
  /// Replaces the paths that Landlock leaves readable. They take effect in the next child process, which
  /// look_at_data_again() starts.
  void allow(std::vector<std::filesystem::path> readable);
  /// Ends the child now.
  void kill();
  /// Returns the peak resident memory of the child since its start, in bytes (0 if there is no child).
  [[nodiscard]] std::uint64_t peak_resident_bytes() const;
  [[nodiscard]] int pid() const;  ///< -1 if none

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::trainer
