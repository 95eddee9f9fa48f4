#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/jobs_text.h"
#include "cli/live_view.h"
#include "cli/remote.h"
#include "common/report/job_status_json.h"

namespace consilium::cli {
namespace {

struct JobsOptions {
  ConnectionOptions connection;
  bool json = false;
  bool quiet = false;
};

Result<int> jobs(const JobsOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(const std::vector<report::JobStatus> all, client.jobs());
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const report::JobStatus& status : all) list.push_back(report::to_json(status));
    fmt::print("{}\n", list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return kSuccess;
  }
  if (options.quiet) {
    for (const report::JobStatus& status : all) fmt::print("{}\n", printable(status.job_id));
    return kSuccess;
  }
  if (all.empty()) {
    fmt::print("no jobs yet; submit one with: consilium submit JOB.yaml\n");
    return kSuccess;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_seconds = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  for (const std::string& line : jobs_lines(all, now_seconds, screen_of(stdout))) fmt::print("{}\n", line);
  return kSuccess;
}

}  // namespace

void add_jobs(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("jobs", "List the coordinator's jobs");
  const auto options = std::make_shared<JobsOptions>();
  add_connection_options(*command, options->connection);
  CLI::Option* quiet = command->add_flag("--quiet", options->quiet, "print only the jobs' ids, one on each line");
  add_json_option(*command, options->json);
  quiet->excludes("--json");
  command->footer(
      "Examples:\n  consilium jobs\n  consilium jobs --quiet\n  consilium jobs --json | jq '.[] | .detail'");
  command->callback([options, &action] { action = [options] { return jobs(*options); }; });
}

}  // namespace consilium::cli
