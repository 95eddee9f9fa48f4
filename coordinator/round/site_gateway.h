#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/error/error.h"
#include "common/wire/messages.h"

namespace consilium::round {

/// How a job's driver reaches sites: the gRPC service in the daemon, trainer processes in the simulator, a recorder in tests.
/// Called by the driver's thread; must not block. A site that can't be reached is reported by an event, not here.
class SiteGateway {
 public:
  virtual ~SiteGateway() = default;
  virtual void send(const std::string& site, wire::CoordinatorMessage message) = 0;
};

/// The words of one site's vector, wherever they lie (spool file, memory). Read once, front to back.
class WordSource {
 public:
  virtual ~WordSource() = default;
  [[nodiscard]] virtual std::uint64_t word_count() const = 0;
  /// Fills `words` with the next ones; kDataLoss where fewer are left.
  virtual Result<void> read(std::span<std::uint32_t> words) = 0;
};

}  // namespace consilium::round
