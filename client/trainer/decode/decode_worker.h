#pragma once

#include <linux/filter.h>

#include <vector>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Gives up, for good, all that decoding has no use for: a seccomp filter lets pass what computes, allocates, and reads
/// and writes on descriptors that are there; it denies opening files, sockets, processes and programs. Also ends this
/// process with its parent, sends what libraries print to `null`, and allows no core dump. Fails with
/// kFailedPrecondition where the kernel refuses.
Result<void> confine_worker(int null);

/// Answers a trainer's requests on `channel` until it closes it (docs/formats/decoder_protocol.md). A file may end the
/// process instead: by a signal of a library's fault, or by SIGXCPU beyond the request's CPU time.
Result<void> serve_decode_requests(trainer::RecordChannel& channel);

/// The filter that confine_worker() installs.
[[nodiscard]] std::vector<sock_filter> worker_filter();

}  // namespace consilium::decode
