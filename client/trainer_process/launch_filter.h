#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <span>
#include <vector>

#include "common/error/error.h"

/// The seccomp filter that the daemon installs between fork and exec. It restricts the system calls of every trainer
/// from its first instruction on. Our own trainer restricts itself further once CUDA is initialised
/// (client/trainer/system_call_filter.h).
namespace consilium::trainer {

/// Builds the filter. It denies new processes (but allows threads), new namespaces, sockets and the calls that connect
/// or bind them, signals to other processes, other processes' limits and memory, mounts, kernel modules, the kernel's
/// key rings, and the interfaces that kernels were most often attacked through (io_uring, bpf, perf, userfaultfd). The
/// filter's listener decides about exec: see let_one_exec_pass().
/// @param gpu  allows what CUDA's driver may need while it starts: Unix stream sockets that can't be connected, netlink
///             sockets, memfd_create, System V shared memory
[[nodiscard]] std::vector<sock_filter> launch_filter(bool gpu);

/// Writes the trainer's process id into the filter, so that the trainer can signal only itself. Call this in the child
/// before the filter is installed. Async-signal-safe.
void name_own_process(std::span<sock_filter> filter, pid_t process);

/// Builds the filter of the trainer's decoder. In addition to what a trainer without a GPU may do, the decoder may fork
/// (so that a file can crash a worker without ending the decoder) and create a pair of connected sockets. No process
/// that it forks can leave its session.
[[nodiscard]] std::vector<sock_filter> decoder_launch_filter();

/// Installs the filter in the calling process and returns the descriptor of its listener, or -1 with errno set (EBUSY
/// if a filter with a listener is installed already). Requires no_new_privs. The filter persists across exec.
/// Async-signal-safe.
[[nodiscard]] int install_launch_filter(std::span<const sock_filter> filter);

/// Installs the filter without a listener, for kernels that don't support listeners: exec then stays allowed. Used only
/// under policies that accept an incomplete sandbox. Returns 0 or errno. Async-signal-safe.
[[nodiscard]] int install_launch_filter_without_listener(std::span<sock_filter> filter);

/// Waits until the child calls exec, lets this one call pass, and returns. Also returns when `report`, whose other end
/// the child closes when it ends, has something to read. The child runs the daemon's own code until then, so this exec
/// is the one that the daemon intends. Close the listener afterwards: every later exec then fails with ENOSYS,
/// including an exec of an anonymous memory file (memfd), which Landlock doesn't restrict.
[[nodiscard]] Result<void> let_one_exec_pass(int listener, int report);

}  // namespace consilium::trainer
