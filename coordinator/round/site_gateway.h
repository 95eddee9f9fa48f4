#pragma once

#include <string>

#include "common/aggregation/word_source.h"
#include "common/error/error.h"
#include "common/wire/messages.h"

namespace consilium::round {

/// The way in which a job's driver reaches sites: the gRPC service in the daemon, trainer processes in the simulator,
/// or a recorder in tests. Called on the driver's thread; implementations must neither block nor call the driver back.
/// A site that can't be reached is reported by an event, not here.
class SiteGateway {
 public:
  virtual ~SiteGateway() = default;
  virtual void send(const std::string& site, wire::CoordinatorMessage message) = 0;
};

using aggregation::WordSource;

}  // namespace consilium::round
