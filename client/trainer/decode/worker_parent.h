#pragma once

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Starts and ends workers for the trainer at the other end of `socket`, until the trainer closes it; then ends all
/// workers. This process opens no image, because it receives only requests of a few bytes. It forks, so it must have no
/// other thread.
/// @param null  a descriptor of /dev/null for the workers
Result<void> serve_worker_requests(trainer::Descriptor socket, int null);

}  // namespace consilium::decode
