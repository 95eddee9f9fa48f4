#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/report/job_status.h"

/// Who may do what with a job: the one place where the roles of callers are told apart.
namespace consilium::admission {

enum class Access {
  kRead,    ///< watch it, read its spec, fetch its models
  kStop,    ///< end it
  kRemove,  ///< take it off the list once it has ended
};

/// The people of a job.
struct Parties {
  std::string job_id;
  std::string researcher;            ///< who submitted it
  std::vector<std::string> readers;  ///< whom its spec names
};

/// Says whether a caller may do that. A researcher may do everything with a job that they have submitted, and may read
/// one that names them as a reader. kPermissionDenied otherwise; the message says whom to ask.
Result<void> permit(const pki::Identity& caller, const Parties& job, Access access);

/// Returns what everybody may know of a job: its id, researcher, name, phase, round and rounds.
[[nodiscard]] report::JobStatus outline_of(const report::JobStatus& status);

}  // namespace consilium::admission
