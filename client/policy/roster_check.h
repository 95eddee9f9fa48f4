#pragma once

#include <filesystem>
#include <string>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/roster/roster.h"

namespace consilium::policy {

/// Reads the roster that client.yaml names. Without a file it returns an empty roster, with which check_roster()
/// declines every masked job.
/// @param file        empty: none
/// @param consortium  the consortium in this site's certificate; another consortium's roster is refused
Result<roster::Roster> read_own_roster(const std::filesystem::path& file, const std::string& consortium);

/// Checks the sites of a masked job against this site's roster file: the job must name this site with its own key, and
/// every other site with the key in the roster file. Otherwise, whoever runs the authority could invent hospitals. A
/// job without masks passes. This check applies to every job, even one that the policy accepts by digest.
/// @param own      this site's roster file, which it received and compared over a channel other than the coordinator
/// @param site     this site's name
/// @param own_key  SHA-256 of the SubjectPublicKeyInfo of its certificate
/// @param accepted_before  true if this site accepted the job earlier: the job's bound on examples may then be the
///                         lower bound of an earlier roster. A new job must have this roster's bound
/// kFailedPrecondition if the job has no roster or client.yaml names none, kPermissionDenied if they differ.
Result<void> check_roster(const job::JobSpec& job, const roster::Roster& own, const std::string& site,
                          const crypto::Digest& own_key, bool accepted_before = false);

}  // namespace consilium::policy
