#pragma once

#include <sys/types.h>

#include "common/error/error.h"

namespace consilium::trainer {

/// How a running process is confined, as the kernel reports it from outside the process. A process can't forge any of
/// it: the kernel writes these files, and the process can't undo what they state.
///
/// Two things aren't visible from outside: the Landlock rules, and which calls the filter denies. For these we rely on
/// launch(), which gives up if a step fails. Nothing in the trainer's own hello is relied on, except that a trainer
/// which says that it isn't confined is refused too.
struct ObservedConfinement {
  bool no_new_privileges = false;   ///< NoNewPrivs
  bool system_call_filter = false;  ///< it has a seccomp filter beyond those of the observing process
  bool no_capabilities = false;     ///< permitted, effective, inheritable and ambient sets are empty
  bool own_network = false;         ///< its network namespace differs from the observing process's
  bool own_ipc = false;             ///< its IPC namespace differs too
};

/// Reads /proc/PID. Whatever can't be read counts as missing.
[[nodiscard]] ObservedConfinement observe_confinement(pid_t process);

/// Fails with kFailedPrecondition, naming the parts of the confinement that a process lacks.
Result<void> check_confined(pid_t process);

}  // namespace consilium::trainer
