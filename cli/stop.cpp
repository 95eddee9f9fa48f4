#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/remote.h"

namespace consilium::cli {
namespace {

struct StopOptions {
  ConnectionOptions connection;
  std::string job_id;
  bool json = false;
};

Result<int> stop(const StopOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_TRY(client.stop(options.job_id));
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"job_id", options.job_id}, {"stopped", true}}.dump());
    return kSuccess;
  }
  const auto status = client.status(options.job_id);  // refused to an operator, who can't fetch models either
  const bool learnt = status && !status->history.empty();
  fmt::print("{} is stopped{}\n", options.job_id,
             learnt   ? fmt::format("; fetch its last model with: consilium fetch {} --out DIR", options.job_id)
             : status ? "; it had committed no round, so there is nothing to fetch"
                      : "");
  return kSuccess;
}

}  // namespace

void add_stop(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("stop", "Stop a job of yours; its last committed model stays");
  const auto options = std::make_shared<StopOptions>();
  command->add_option("JOB_ID", options->job_id, "as 'consilium jobs' lists it")->required();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer("Example:\n  consilium stop chest-xray-1");
  command->callback([options, &action] { action = [options] { return stop(*options); }; });
}

}  // namespace consilium::cli
