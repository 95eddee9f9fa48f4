#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/live_view.h"
#include "cli/remote.h"
#include "common/report/job_status_json.h"

namespace consilium::cli {
namespace {

struct JobsOptions {
  ConnectionOptions connection;
  bool json = false;
};

std::string last_metric(const report::JobStatus& status) {
  for (auto record = status.history.rbegin(); record != status.history.rend(); ++record) {
    if (record->metrics) return headlines_text(*record->metrics);
  }
  return {};
}

/// Returns the reason for a job that waits or that ended before its last round, and the latest metric for any other
/// job.
std::string reason_or_metric(const report::JobStatus& status) {
  using report::JobPhase;
  const bool explains = !report::awaited_text(status).empty() || status.phase == JobPhase::kQueued ||
                        status.phase == JobPhase::kRecruiting || status.phase == JobPhase::kStopped ||
                        status.phase == JobPhase::kFailed;
  const std::string last = last_metric(status);
  return explains || last.empty() ? printable(status.detail) : last;
}

std::string submitted_text(const report::JobStatus& status) {
  if (status.submitted_seconds == 0) return {};
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(status.submitted_seconds)));
}

Result<int> jobs(const JobsOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(const std::vector<report::JobStatus> all, client.jobs());
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const report::JobStatus& status : all) list.push_back(report::to_json(status));
    fmt::print("{}\n", list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return kSuccess;
  }
  if (all.empty()) {
    fmt::print("no jobs yet; submit one with: consilium submit JOB.yaml\n");
    return kSuccess;
  }
  fmt::print("{:<28} {:<14} {:<16} {:<11} {:>9} {:>9}  {}\n", "job", "owner", "submitted (UTC)", "phase", "round",
             "ETA", "reason or last evaluation");
  for (const report::JobStatus& status : all) {
    const std::string eta = status.eta_seconds ? format_duration(*status.eta_seconds) : "";
    fmt::print("{:<28} {:<14} {:<16} {:<11} {:>9} {:>9}  {}\n", printable(status.job_id), printable(status.researcher),
               submitted_text(status), report::name_of(status.phase), fmt::format("{}/{}", status.round, status.rounds),
               eta, reason_or_metric(status));
  }
  return kSuccess;
}

}  // namespace

void add_jobs(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("jobs", "List the coordinator's jobs");
  const auto options = std::make_shared<JobsOptions>();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer("Examples:\n  consilium jobs\n  consilium jobs --json | jq -r '.[].job_id'");
  command->callback([options, &action] { action = [options] { return jobs(*options); }; });
}

}  // namespace consilium::cli
