#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

/// Memory and threads that a trainer uses, read from /proc.
namespace consilium::trainer {

struct ProcessUsage {
  std::uint64_t memory_bytes = 0;  ///< resident and swapped out
  std::uint64_t threads = 0;
};

/// Returns what one process uses now; zeros if the process no longer exists.
[[nodiscard]] ProcessUsage usage_of(pid_t process);

/// Returns a trainer's process, all processes in its session, and all their descendants. A process that left the
/// session and whose parent has ended isn't found. Reads all of /proc, which takes milliseconds on a busy machine.
[[nodiscard]] std::vector<pid_t> processes_of(pid_t trainer);

/// Returns a single-threaded process and its children, as listed in its own folder in /proc. If the kernel doesn't list
/// children there, finds them as processes_of() does.
[[nodiscard]] std::vector<pid_t> with_children(pid_t process);

/// Returns what several processes use together. Memory that they share is counted once for each of them.
[[nodiscard]] ProcessUsage usage_of(const std::vector<pid_t>& processes);

}  // namespace consilium::trainer
