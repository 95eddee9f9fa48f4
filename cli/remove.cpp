#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/remote.h"

namespace consilium::cli {
namespace {

struct RemoveOptions {
  ConnectionOptions connection;
  std::string job_id;
  bool json = false;
};

Result<int> remove(const RemoveOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_TRY(client.remove(options.job_id));
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"job_id", options.job_id}, {"removed", true}}.dump());
  } else {
    fmt::print("{} is removed; the coordinator no longer has its model\n", options.job_id);
  }
  return kSuccess;
}

}  // namespace

void add_remove(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("remove", "Remove an ended job of yours, and its model, from the coordinator");
  const auto options = std::make_shared<RemoveOptions>();
  command->add_option("JOB_ID", options->job_id, "as 'consilium jobs' lists it")->required();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer(
      "Example:\n  consilium fetch chest-xray-1 --out results && consilium remove chest-xray-1\n"
      "A running job has to be ended first, with: consilium stop JOB_ID");
  command->callback([options, &action] { action = [options] { return remove(*options); }; });
}

}  // namespace consilium::cli
