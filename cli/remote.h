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

/// Opens a client for the coordinator that the options name.
Result<AdminClient> connect(const ConnectionOptions& options);

/// Signs and submits a job, its initial weights with it; returns its id.
Result<std::string> submit_job(AdminClient& client, const JobFile& job,
                               std::chrono::seconds valid_for = kSignatureValidity);

/// Shows a job until it has ended; returns its last status. kCancelled where `stop` was asked for first.
Result<report::JobStatus> follow(AdminClient& client, const std::string& job_id, LiveView& view, std::stop_token stop);

/// Asks for what a job's report is made from, whatever has become of the job; the comparison stays empty.
Result<report::Report> fetch_report(AdminClient& client, const std::string& job_id);

/// What the coordinator has of a job.
struct FetchedJob {
  report::Report report;
  ParameterManifest manifest;
  ParameterVector model;
};
/// Fails with kFailedPrecondition where no round is committed yet.
Result<FetchedJob> fetch_job(AdminClient& client, const std::string& job_id);

/// Warns, on standard error, of each site's certificate that ends within a month or has ended.
void warn_of_ends(const std::vector<report::SiteStatus>& sites);

/// What `watch` exits with after a job that ended so.
[[nodiscard]] int exit_code_of(report::JobPhase phase);

}  // namespace consilium::cli
