#pragma once

#include <linux/filter.h>

#include <vector>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Gives up everything that decoding doesn't need; this can't be undone. A seccomp filter allows computing, allocating
/// memory, and reading and writing existing descriptors; it denies opening files and sockets and starting processes and
/// programs. This process also ends when its parent does, writes what libraries print to `null`, and dumps no core.
/// Fails with kFailedPrecondition if the kernel refuses.
Result<void> confine_worker(int null);

/// Answers a trainer's requests on `channel` until the trainer closes it (docs/formats/decoder_protocol.md). A file can
/// end the process instead: by a signal, if a library crashes, or by SIGXCPU, if the file exceeds the request's CPU
/// time.
Result<void> serve_decode_requests(trainer::RecordChannel& channel);

/// Returns the filter that confine_worker() installs.
[[nodiscard]] std::vector<sock_filter> worker_filter();

}  // namespace consilium::decode
