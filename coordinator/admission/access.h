#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/report/job_status.h"

/// Decides what each caller may do with a job. This is the only place that distinguishes callers by role.
namespace consilium::admission {

/// The operations that a caller can request from the coordinator.
enum class Access {
  kSubmit,  ///< submit a job
  kList,    ///< list the jobs and the sites
  kRead,    ///< watch a job, read its spec, fetch its models
  kStop,    ///< stop a job
  kRemove,  ///< remove an ended job from the list
};

/// Returns the roles that may request this operation at all; permit() decides for which jobs. An operator keeps the
/// coordinator running: operators can see, stop and remove every job, but get nothing that a job learned.
[[nodiscard]] std::vector<pki::Role> allowed_roles(Access access);

/// The people connected with a job.
struct Parties {
  std::string job_id;
  std::string researcher;            ///< the person who submitted it
  std::vector<std::string> readers;  ///< the researchers that its spec names as readers
};

/// Checks whether a caller may perform this operation on a job. Researchers may do everything with the jobs that they
/// submitted, and may read a job that names them as a reader. Operators may perform the operations that allowed_roles()
/// grants them on every job. Otherwise fails with kPermissionDenied; the message says whom to ask.
Result<void> permit(const pki::Identity& caller, const Parties& job, Access access);

/// Returns the part of a status that everybody may see: the job's id, researcher, name, phase, round and rounds.
[[nodiscard]] report::JobStatus outline_of(const report::JobStatus& status);

/// Returns the part of a job's status that a caller may see in the list. That is the whole status if the caller may
/// read the job, and its outline otherwise. An operator sees everything except what the job learned: its history, its
/// model and the number of examples.
[[nodiscard]] report::JobStatus visible_to(const pki::Identity& caller, const Parties& job,
                                           const report::JobStatus& status);

}  // namespace consilium::admission
