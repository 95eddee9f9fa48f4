#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/report/job_status.h"

/// Who may do what with a job: the one place where the roles of callers are told apart.
namespace consilium::admission {

/// What a caller asks of the coordinator.
enum class Access {
  kSubmit,  ///< bring a job in
  kList,    ///< see which jobs and sites there are
  kRead,    ///< watch a job, read its spec, fetch its models
  kStop,    ///< end a job
  kRemove,  ///< take a job off the list once it has ended
};

/// Returns the roles that may ask for that at all; permit() says of which jobs. An operator keeps the coordinator
/// running: they see, stop and remove every job, and get nothing that a job learned.
[[nodiscard]] std::vector<pki::Role> allowed_roles(Access access);

/// The people of a job.
struct Parties {
  std::string job_id;
  std::string researcher;            ///< who submitted it
  std::vector<std::string> readers;  ///< whom its spec names
};

/// Says whether a caller may do that with a job. A researcher may do everything with a job that they have submitted,
/// and may read one that names them as a reader; an operator may do with every job what allowed_roles() lets them.
/// kPermissionDenied otherwise; the message says whom to ask.
Result<void> permit(const pki::Identity& caller, const Parties& job, Access access);

/// Returns what everybody may know of a job: its id, researcher, name, phase, round and rounds.
[[nodiscard]] report::JobStatus outline_of(const report::JobStatus& status);

/// Returns of a job's status what a caller may see in the list: all of it where they may read the job, else its
/// outline. An operator sees everything but what the job learned: its history, its
/// model and the number of examples.
[[nodiscard]] report::JobStatus visible_to(const pki::Identity& caller, const Parties& job,
                                           const report::JobStatus& status);

}  // namespace consilium::admission
