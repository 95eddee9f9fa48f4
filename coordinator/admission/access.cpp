#include "coordinator/admission/access.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace consilium::admission {

Result<void> permit(const pki::Identity& caller, const Parties& job, Access access) {
  const bool researcher = caller.role == pki::Role::kResearcher;
  if (researcher && caller.name == job.researcher) return {};
  switch (access) {
    case Access::kRead:
      if (researcher && std::ranges::find(job.readers, caller.name) != job.readers.end()) return {};
      return fail(
          ErrorCode::kPermissionDenied,
          fmt::format("job '{}' is read by {}, who submitted it, and by the readers that it names; ask {} for its "
                      "results, or to list {} under 'readers' in the next job",
                      job.job_id, job.researcher, job.researcher, caller.name));
    case Access::kStop:
      return fail(ErrorCode::kPermissionDenied, fmt::format("job '{}' was submitted by {}; ask {} to stop it",
                                                            job.job_id, job.researcher, job.researcher));
    case Access::kRemove:
      return fail(ErrorCode::kPermissionDenied, fmt::format("job '{}' was submitted by {}; ask {} to remove it",
                                                            job.job_id, job.researcher, job.researcher));
  }
  return fail(ErrorCode::kInternal, "unknown kind of access");
}

report::JobStatus outline_of(const report::JobStatus& status) {
  report::JobStatus outline;
  outline.job_id = status.job_id;
  outline.researcher = status.researcher;
  outline.name = status.name;
  outline.phase = status.phase;
  outline.round = status.round;
  outline.rounds = status.rounds;
  return outline;
}

}  // namespace consilium::admission
