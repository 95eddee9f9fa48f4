#pragma once

#include "common/error/error.h"

namespace consilium::trainer {

/// Denies this process, all its threads and whatever they start, for good: sockets and connections, io_uring, ptrace,
/// process_vm_*, pidfd_getfd, exec, and calls of other instruction sets than the machine's own. They fail with EPERM.
/// Fails with kFailedPrecondition where the kernel has no seccomp filters, or none for this kind of machine is known.
Result<void> deny_system_calls();

}  // namespace consilium::trainer
