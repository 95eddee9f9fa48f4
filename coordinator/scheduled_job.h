#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/crypto/sha256.h"
#include "common/report/job_status.h"
#include "common/wire/messages.h"
#include "coordinator/admission/slots.h"
#include "coordinator/round/job_driver.h"

namespace consilium::coordinator {

/// A job that has not ended, with its driver and its place among the others that want slots. The scheduler's thread
/// alone uses it.
struct ScheduledJob {
  using Time = round::Clock::time_point;

  std::string id;
  std::string researcher;
  crypto::Digest digest{};          ///< of the job
  std::uint64_t weights_bytes = 0;  ///< of initial weights that the researcher uploaded
  std::unique_ptr<round::JobDriver> driver;
  bool has_worked = false;                         ///< held a slot at some time
  std::optional<Time> lacking_since;               ///< holds a slot, and can't use it
  std::optional<round::Readiness> last_readiness;  ///< when slots were assigned last
  std::optional<admission::Obstacle> obstacle;     ///< jobs that it waits for
  bool unpublished = false;                        ///< its status has changed since researchers were shown it

  /// Returns the driver's status; of a job that waits, with what or whom it waits for.
  [[nodiscard]] report::JobStatus status() const;
  /// Passes a site's message about this job on to the driver; a hello is about none.
  void receive(const std::string& site, const wire::SiteMessage& message, Time now) const;
};

/// Returns the id of the job that a site's message is about; "" for a hello.
[[nodiscard]] const std::string& job_of(const wire::SiteMessage& message);

}  // namespace consilium::coordinator
