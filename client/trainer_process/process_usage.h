#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

/// What a trainer takes of the machine, read from /proc.
namespace consilium::trainer {

struct ProcessUsage {
  std::uint64_t memory_bytes = 0;  ///< resident and swapped out
  std::uint64_t threads = 0;
};

/// Returns what one process takes now; zeros where it is gone.
[[nodiscard]] ProcessUsage usage_of(pid_t process);

/// Returns a trainer, and all processes of its session or begun by any of these. A process that left the session and
/// whose parent has ended isn't found. Reads all of /proc: costs milliseconds on a busy machine.
[[nodiscard]] std::vector<pid_t> processes_of(pid_t trainer);

/// Returns a process of one thread and its children, from its own folder in /proc; where the kernel doesn't list
/// children there, as processes_of() finds them.
[[nodiscard]] std::vector<pid_t> with_children(pid_t process);

/// Returns what several processes take together; memory that they share counts once for each.
[[nodiscard]] ProcessUsage usage_of(const std::vector<pid_t>& processes);

}  // namespace consilium::trainer
