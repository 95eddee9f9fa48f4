#pragma once

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Starts and ends workers for the trainer at the other end of `socket`, until it closes it; then all workers end. This
/// process opens no image: what it receives are requests of a few bytes. It forks, so it may have no other thread.
/// @param null  a descriptor of /dev/null for the workers
Result<void> serve_worker_requests(trainer::Descriptor socket, int null);

}  // namespace consilium::decode
