#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/live_view.h"
#include "cli/remote.h"
#include "common/job/job_text.h"
#include "common/process/termination.h"

namespace consilium::cli {
namespace {

struct WatchOptions {
  ConnectionOptions connection;
  std::string job_id;
  bool json = false;
};

Result<int> watch(const WatchOptions& options) {
  process::Termination termination;
  std::stop_source stop;
  termination.on_signal([&stop] { stop.request_stop(); });
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  return watch_job(client, options.job_id, options.json, stop.get_token());
}

}  // namespace

Result<int> watch_job(AdminClient& client, const std::string& job_id, bool json, std::stop_token stop) {
  CONSILIUM_ASSIGN(const std::string text, client.spec(job_id));
  CONSILIUM_ASSIGN(const job::JobSpec spec, job::parse_job(text, job_id));
  if (const auto sites = client.sites()) {
    std::vector<report::SiteStatus> asked;
    for (const auto& site : *sites) {
      if (spec.federation.sites.empty() ||
          std::ranges::find(spec.federation.sites, site.name) != spec.federation.sites.end())
        asked.push_back(site);
    }
    warn_of_ends(asked);
  }
  LiveView view(stdout, std::string(job::name_of(spec.evaluation.split)), json ? ViewMode::kJson : ViewMode::kLive);
  const auto status = follow(client, job_id, view, std::move(stop));
  view.leave();
  if (!status && status.error().code == ErrorCode::kCancelled) {
    fmt::print(
        stderr,
        "consilium: the job goes on; watch it again with: consilium watch {0}, or end it with: consilium stop {0}\n",
        job_id);
    return kInterrupted;
  }
  if (!status && status.error().code == ErrorCode::kUnavailable) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("{}; once the coordinator is there, watch again with: consilium watch {} (a restart "
                            "ends the jobs that are at work, and keeps their last models)",
                            status.error().message, job_id));
  }
  if (!status) return fail(status.error());
  if (!json && status->model && !status->history.empty())
    fmt::print(stderr, "get model and report with: consilium fetch {} --out DIR\n", job_id);
  return exit_code_of(status->phase);
}

void add_watch(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "watch", "Follow a job until it ends: a live table, or plain lines where there is no terminal");
  const auto options = std::make_shared<WatchOptions>();
  command->add_option("JOB_ID", options->job_id, "as 'consilium jobs' lists it")->required();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer(
      "Examples:\n  consilium watch chest-xray-1\n  consilium watch chest-xray-1 | tee rounds.txt\n"
      "Exit codes: 0 finished, 3 failed, 4 stopped, 130 interrupted (the job goes on).");
  command->callback([options, &action] { action = [options] { return watch(*options); }; });
}

}  // namespace consilium::cli
