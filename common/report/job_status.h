#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/crypto/sha256.h"
#include "common/report/history.h"

namespace consilium::report {

enum class JobPhase : std::uint8_t {
  kQueued,
  kRecruiting,
  kCensus,
  kTraining,
  kEvaluating,
  kFinished,
  kStopped,
  kFailed
};
[[nodiscard]] std::string_view name_of(JobPhase phase);

/// A snapshot of a job, for `jobs`, `watch` and the report.
struct JobStatus {
  std::string job_id;
  std::string name;
  JobPhase phase = JobPhase::kQueued;
  std::uint32_t round = 0;                   ///< the current one, or the last committed one
  std::uint32_t rounds = 0;                  ///< number of rounds in the job
  std::string detail;                        ///< "waiting for 3 sites, 1 accepted", "failed: ..."
  std::map<std::string, std::string> sites;  ///< member -> its current activity ("training", "declined: ...")
  History history;
  std::optional<crypto::Digest> model;  ///< latest global model
  std::uint64_t examples = 0;           ///< N, from the census
  std::optional<double> eta_seconds;
  bool masked = false;
  std::string researcher;               ///< the researcher who submitted it; empty in a simulation
  std::uint64_t submitted_seconds = 0;  ///< Unix time; 0: unknown
  std::uint64_t started_seconds = 0;    ///< Unix time of the first session; 0: it hasn't started
  std::uint64_t ended_seconds = 0;      ///< Unix time; 0: it hasn't ended
  bool operator==(const JobStatus&) const = default;
};

/// Returns the parts of `detail` that say which sites a training or evaluating round waits for, or why it restarts:
/// "waits for south (gone since 14:02 UTC)", "begins anew after: south: disconnected". Returns "" if nobody is missing.
[[nodiscard]] std::string awaited_text(const JobStatus& status);

}  // namespace consilium::report
