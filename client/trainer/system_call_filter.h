#pragma once

#include "common/error/error.h"

namespace consilium::trainer {

/// Denies this trainer, all its threads and whatever they start, for good, what it needs no more once CUDA is
/// initialised: sockets, exec, io_uring, and access to other processes. They fail with EPERM; a system call of another
/// instruction set kills the trainer. It comes on top of the daemon's filter (client/trainer_process/launch_filter.h),
/// and holds too where the trainer runs without a daemon's sandbox. Fails with kFailedPrecondition where the kernel has
/// no seccomp filters.
Result<void> deny_calls_after_setup();

}  // namespace consilium::trainer
