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
  std::uint64_t memory_limit_bytes = 0;         ///< 0: none; by cgroup v2 where delegated, else by watching its RSS
  std::vector<std::filesystem::path> readable;  ///< data sets: what Landlock leaves it to read besides its libraries
  std::vector<std::filesystem::path> secrets;   ///< files and folders that no link in a data set may open to it
  std::filesystem::path scratch;                ///< folder of a nameless file that each child gets; empty: none
  std::uint64_t scratch_bytes = 0;  ///< how large the child may make a file (RLIMIT_FSIZE), where it gets one
  bool require_sandbox =
      true;  ///< false (policy): go on where the kernel lacks Landlock, seccomp or network namespaces
  /// Receives what the trainer prints, line by line (printable, at most 1 KiB each, 10,000 lines a process); called
  /// from a thread of its own. None: dropped.
  std::function<void(std::string_view line)> log;
};

/// A float32 or uint64 vector in memory shared with the trainer (memfd, sealed against resizing). Once it was a global
/// model it stays writable through this object alone, and can't take a delta or counts any more.
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

/// Makes `vector` one of so many bytes, unless it is one; what it held is gone then.
Result<void> resize(std::optional<SharedVector>& vector, std::size_t bytes);

/// One warm trainer: a confined child process that keeps model, data and CUDA context between requests. A call on a
/// dead trainer starts a fresh one. Every call blocks; one call at a time (not thread-safe), cancelled by its stop
/// token.
///
/// Errors: kUnavailable "trainer killed by signal 11 (SIGSEGV)" where it died of a signal (the caller may try once
/// more); kResourceExhausted for its memory limit or an out-of-memory; kInvalidArgument for what it says of data or
/// model; kDataLoss for records it may not send; kDeadlineExceeded where it hangs; kFailedPrecondition without a
/// sandbox.
class TrainerProcess {
 public:
  explicit TrainerProcess(TrainerConfig config);
  ~TrainerProcess();  ///< ends the child: SIGTERM, then SIGKILL after 1 s
  TrainerProcess(const TrainerProcess&) = delete;
  TrainerProcess& operator=(const TrainerProcess&) = delete;

  /// Starts the child if none is alive and waits for its Hello. Calls below do it by themselves; this one warms up.
  Result<Hello> start();
  Result<Prepared> prepare(const Prepare& request, std::stop_token stop);
  /// @param global parameter_count floats   @param delta where local - global is written
  Result<Trained> train(const Train& request, SharedVector& global, SharedVector& delta,
                        const std::function<void(const Progress&)>& progress, std::stop_token stop);
  Result<Evaluated> evaluate(const Evaluate& request, SharedVector& global, SharedVector& counts, std::stop_token stop);
  /// @param models  request.models of them   @param counts  request.patients times what evaluate() gives
  Result<EvaluatedPatients> evaluate_patients(const EvaluatePatients& request, SharedVector& models,
                                              SharedVector& counts, std::stop_token stop);
  /// What the trainer has counted last: prepare() is repeated for a fresh child, which may find other data files.
  /// Nothing before the first prepare().
  [[nodiscard]] const std::optional<Prepared>& prepared() const;
  /// Has the trainer open the files of a data set, as far as it takes to say whether it may and can read it. Errors
  /// name file and reason. kFailedPrecondition where the trainer isn't Consilium's own, and can't be asked.
  Result<void> look(const DataSource& data);
  /// Has the next prepare() compare what the data sets' paths lead to with what the present child may read, and start a
  /// fresh child where that changed: a file was replaced by rename, a link leads elsewhere, a file system was mounted
  /// anew. It also starts a fresh child, once, where a child that is older than the call fails to prepare: not every
  /// kernel tells two mounts at one place apart.
  void look_at_data_again();
  /// Ends the child now.
  void kill();
  /// Resident memory of the child in bytes (0 if none): peak since start.
  [[nodiscard]] std::uint64_t peak_resident_bytes() const;
  [[nodiscard]] int pid() const;  ///< -1 if none

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::trainer
