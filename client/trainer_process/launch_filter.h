#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <span>
#include <vector>

#include "common/error/error.h"

/// What no trainer may ask of the kernel, from its first instruction on: the seccomp filter that the daemon installs
/// between fork and exec. Our own trainer denies itself more, once CUDA is initialised
/// (client/trainer/system_call_filter.h).
namespace consilium::trainer {

/// Builds the filter. It denies new processes (threads are allowed), new namespaces, sockets and what connects or binds
/// them, signals to other processes, their limits and memory, mounts, kernel modules, the kernel's key rings, and the
/// interfaces that kernels were most often attacked through (io_uring, bpf, perf, userfaultfd). Exec is decided by the
/// filter's listener: see let_one_exec_pass().
/// @param gpu  leaves what CUDA's driver may need while it starts: Unix stream sockets that can't be connected,
///             netlink sockets, memfd_create, System V shared memory
[[nodiscard]] std::vector<sock_filter> launch_filter(bool gpu);

/// Puts the trainer's process id into the filter, which lets it signal itself alone. To be called in the child, before
/// the filter is installed. Async-signal-safe.
void name_own_process(std::span<sock_filter> filter, pid_t process);

/// Builds the filter of the trainer's decoder. Besides what a trainer without a GPU may ask for, it may fork (so that a
/// process can die of a file) and make a pair of connected sockets; nothing that it forks can leave its session.
[[nodiscard]] std::vector<sock_filter> decoder_launch_filter();

/// Installs the filter in the calling process and returns the descriptor of its listener, or -1 with errno set (EBUSY
/// where a filter with a listener is installed already). Needs no_new_privs; stays across exec. Async-signal-safe.
[[nodiscard]] int install_launch_filter(std::span<const sock_filter> filter);

/// Installs the filter without a listener, for kernels that have none: exec is then allowed for good. For policies
/// that go without a whole sandbox alone. Returns 0 or errno. Async-signal-safe.
[[nodiscard]] int install_launch_filter_without_listener(std::span<sock_filter> filter);

/// Waits until the child asks for exec, lets that one pass, and returns; also when `report`, the child's end of which
/// is closed at its end, has something to read. The child runs the daemon's own code until then, so what it asks for is
/// what the daemon wants. Close the listener afterwards: every later exec fails with ENOSYS, that of memory without a
/// name (memfd), which Landlock lets pass, included.
[[nodiscard]] Result<void> let_one_exec_pass(int listener, int report);

}  // namespace consilium::trainer
