#pragma once

#include <filesystem>
#include <string>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/roster/roster.h"

namespace consilium::policy {

/// Reads the roster that client.yaml names. No file gives an empty roster, with which check_roster() declines every
/// masked job.
/// @param file        empty: none
/// @param consortium  of this site's certificate; another one's roster is refused
Result<roster::Roster> read_own_roster(const std::filesystem::path& file, const std::string& consortium);

/// Checks the sites of a masked job against what this site knows of them: the job must name this site with its own key,
/// and every other site with the key that this site's roster file has. Whoever runs the authority could otherwise mint
/// hospitals. A job without masks passes. Applies to every job, whatever the policy accepts by digest.
/// @param own      this site's roster file, which it got and compared over another channel than the coordinator
/// @param site     this site's name
/// @param own_key  SHA-256 of the SubjectPublicKeyInfo of its certificate
/// @param accepted_before  this site accepted the job earlier: its bound of examples may be that of an earlier roster,
///                         which is lower; a job that comes first has this roster's
/// kFailedPrecondition where the job has no roster or client.yaml names none, kPermissionDenied where they differ.
Result<void> check_roster(const job::JobSpec& job, const roster::Roster& own, const std::string& site,
                          const crypto::Digest& own_key, bool accepted_before = false);

}  // namespace consilium::policy
