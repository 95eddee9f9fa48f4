#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/report/job_status.h"
#include "common/wire/messages.h"
#include "coordinator/admission/slots.h"
#include "coordinator/round/job_driver.h"

namespace consilium::coordinator {

/// A job that hasn't ended, with its driver and the facts that decide whether it gets a slot. Used only on the
/// scheduler's thread.
struct ScheduledJob {
  using Time = round::Clock::time_point;

  std::string id;
  std::string researcher;
  crypto::Digest digest{};  ///< of the job
  crypto::Digest initial_model{};
  std::string spec_text;                ///< canonical
  std::uint64_t submitted_seconds = 0;  ///< Unix time
  std::uint64_t weights_bytes = 0;      ///< size of the initial weights that the researcher uploaded
  std::unique_ptr<round::JobDriver> driver;
  bool has_worked = false;                         ///< it has held a slot at some time
  std::optional<Time> lacking_since;               ///< since when it has held a slot without being able to use it
  std::optional<round::Readiness> last_readiness;  ///< at the last assignment of slots
  std::optional<admission::Obstacle> obstacle;     ///< the jobs that it is waiting for
  report::History saved;                           ///< the rounds that the store has
  bool saved_end = false;                          ///< the store knows how the job ended
  std::optional<Time> save_again;                  ///< set after a failed save: when the next one is due
  bool unpublished = false;       ///< its status has changed since it was last published to researchers
  std::size_t logged_rounds = 0;  ///< how many rounds the log has

  /// Returns the driver's status. If the job is waiting, the status says what or which job it is waiting for.
  [[nodiscard]] report::JobStatus status() const;
  /// Logs the result of each round that isn't in the log yet.
  void log_rounds();
  /// Logs the rounds that aren't in the log yet, and how the job ended.
  void log_end();
  /// Passes a site's message about this job to the driver. A hello isn't about a job.
  void receive(const std::string& site, const wire::SiteMessage& message, Time now) const;
};

/// Describes a failure of which a site of a masked job has sent the code alone: "failed: resource_exhausted (no memory
/// or disk space is left at the site)". docs/researcher/waiting.md lists what to do about each.
[[nodiscard]] std::string failure_in_words(ErrorCode code);

/// Returns the id of the job that a site's message is about, or "" for a hello.
[[nodiscard]] const std::string& job_of(const wire::SiteMessage& message);

}  // namespace consilium::coordinator
