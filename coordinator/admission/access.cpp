#include "coordinator/admission/access.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace consilium::admission {
namespace {

report::JobStatus without_results(report::JobStatus status) {
  status.history.clear();
  status.model.reset();
  status.examples = 0;
  return status;
}

/// Returns the message of a refusal, which says whom to ask.
std::string refusal(const pki::Identity& caller, const Parties& job, Access access) {
  switch (access) {
    case Access::kRead:
      return fmt::format(
          "only {1}, who submitted job '{0}', and the readers that the job names may read it; ask {2} for its results, "
          "or to list {3} under 'readers' in the next job",
          job.job_id, job.researcher, job.researcher, caller.name);
    case Access::kStop:
      return fmt::format("job '{}' was submitted by {}; ask {} or an operator to stop it", job.job_id, job.researcher,
                         job.researcher);
    case Access::kRemove:
      return fmt::format("job '{}' was submitted by {}; ask {} or an operator to remove it", job.job_id, job.researcher,
                         job.researcher);
    case Access::kSubmit:
    case Access::kList:
      break;
  }
  return fmt::format("{} '{}' may not do that with job '{}'", pki::name_of(caller.role), caller.name, job.job_id);
}

}  // namespace

std::vector<pki::Role> allowed_roles(Access access) {
  switch (access) {
    case Access::kList:
    case Access::kStop:
    case Access::kRemove:
      return {pki::Role::kResearcher, pki::Role::kOperator};
    case Access::kSubmit:
    case Access::kRead:
      return {pki::Role::kResearcher};
  }
  return {};
}

Result<void> permit(const pki::Identity& caller, const Parties& job, Access access) {
  const auto roles = allowed_roles(access);
  const bool allowed = std::ranges::find(roles, caller.role) != roles.end();
  const bool owns = caller.role == pki::Role::kResearcher && caller.name == job.researcher;
  const bool reads = access == Access::kRead && std::ranges::find(job.readers, caller.name) != job.readers.end();
  if (allowed && (owns || reads || caller.role == pki::Role::kOperator)) return {};
  return fail(ErrorCode::kPermissionDenied, refusal(caller, job, access));
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

report::JobStatus visible_to(const pki::Identity& caller, const Parties& job, const report::JobStatus& status) {
  if (permit(caller, job, Access::kRead)) return status;
  return caller.role == pki::Role::kOperator ? without_results(status) : outline_of(status);
}

}  // namespace consilium::admission
