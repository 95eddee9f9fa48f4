#pragma once

#include <stop_token>
#include <string>

#include "cli/admin_client.h"
#include "cli/connection.h"
#include "cli/job_file.h"
#include "cli/live_view.h"
#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"
#include "common/report/report_files.h"

namespace consilium::cli {

/// Connects to the coordinator that the options name.
Result<AdminClient> connect(const ConnectionOptions& options);

/// Signs a job, submits it with its initial weights, and returns its id.
Result<std::string> submit_job(AdminClient& client, const JobFile& job,
                               std::chrono::seconds valid_for = kSignatureValidity);

/// Shows a job until it has ended, and returns its last status. Fails with kCancelled if `stop` is requested first.
Result<report::JobStatus> follow(AdminClient& client, const std::string& job_id, LiveView& view, std::stop_token stop);

/// Shows a job until it has ended, as `consilium watch` does, and returns the exit code.
Result<int> watch_job(AdminClient& client, const std::string& job_id, bool json, std::stop_token stop);

/// Fetches everything that a job's report is made from, whether or not the job has ended. The comparison stays empty.
Result<report::Report> fetch_report(AdminClient& client, const std::string& job_id);

/// The results of a job that the coordinator holds.
struct FetchedJob {
  report::Report report;
  ParameterManifest manifest;
  ParameterVector model;
};
/// Fails with kFailedPrecondition if no round has been committed yet.
Result<FetchedJob> fetch_job(AdminClient& client, const std::string& job_id);

/// Warns on standard error of each site's certificate that expires within a month or has expired.
void warn_of_ends(const std::vector<report::SiteStatus>& sites);

/// Returns the exit code of `watch` for a job that ended in this phase.
[[nodiscard]] int exit_code_of(report::JobPhase phase);

}  // namespace consilium::cli
