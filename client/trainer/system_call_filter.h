#pragma once

#include "common/error/error.h"

namespace consilium::trainer {

/// Denies this trainer what it no longer needs once CUDA is initialised: sockets, exec, io_uring, and access to other
/// processes. This can't be undone, and it applies to all the trainer's threads and to whatever they start. The calls
/// fail with EPERM; a system call of another instruction set kills the trainer. The filter adds to the daemon's
/// (client/trainer_process/launch_filter.h), and also works if the trainer runs outside a daemon's sandbox. Fails with
/// kFailedPrecondition if the kernel has no seccomp filters.
Result<void> deny_calls_after_setup();

}  // namespace consilium::trainer
