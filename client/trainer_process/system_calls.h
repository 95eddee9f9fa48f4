#pragma once

/// What every trainer may not ask of the kernel, from its first instruction on. A trainer denies itself more once CUDA
/// is initialised (docs/formats/trainer_protocol.md).
namespace consilium::trainer {

/// Lets io_uring, bpf, the kernel's key rings, sockets of families that no network namespace holds (AF_VSOCK), and
/// system calls of another architecture fail with EPERM; needs no_new_privs, and stays across exec. Async-signal-safe.
/// Returns 0 or errno.
int deny_system_calls();

}  // namespace consilium::trainer
