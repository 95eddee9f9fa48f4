#pragma once

#include <sys/types.h>

#include "common/error/error.h"

namespace consilium::trainer {

/// What the kernel says, from outside, of how a running process is confined. A process can't feign any of it: the
/// kernel writes these files, and what they state can't be taken back from within.
///
/// Not visible from outside, and so taken from launch(), which gives up where a step fails: the Landlock rules, and
/// which calls the filter denies. Of the trainer's hello nothing is relied on; one that says it isn't confined is
/// refused too.
struct ObservedConfinement {
  bool no_new_privileges = false;   ///< NoNewPrivs
  bool system_call_filter = false;  ///< a seccomp filter more than this process has itself
  bool no_capabilities = false;     ///< permitted, effective, inheritable and ambient sets are empty
  bool own_network = false;         ///< another network namespace than this process's
  bool own_ipc = false;             ///< another IPC namespace
};

/// Reads /proc/PID; what can't be read counts as missing.
[[nodiscard]] ObservedConfinement observe_confinement(pid_t process);

/// Fails with kFailedPrecondition and names what of the confinement a process lacks.
Result<void> check_confined(pid_t process);

}  // namespace consilium::trainer
