#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>

#include "client/approval/commands.h"
#include "client/check_data.h"
#include "client/config_check.h"
#include "client/daemon.h"
#include "client/enroll.h"
#include "client/join.h"
#include "client/ledger_command.h"
#include "client/own_model.h"
#include "client/roster_command.h"
#include "common/files/findings.h"
#include "common/files/state_dir.h"
#include "common/logging/event.h"
#include "common/logging/logging.h"
#include "common/process/core_dumps.h"
#include "common/process/termination.h"
#include "common/wire/grpc_log.h"
#include "common/wire/tls_credentials.h"

using namespace consilium;

namespace {

/// Runs --check as the user who owns the state folder.
Result<int> check(const std::string& config_file, const client::ClientConfig& config) {
  CONSILIUM_ASSIGN(const std::string user, files::become_owner(config.state_dir));
  const auto trainer = [&config](const policy::Policy& policy) { return client::trainer_config(config, policy); };
  return files::tell_findings("consilium-client", config_file, user, client::check_config(config, trainer));
}

Result<void> take_part(const std::string& config_file, process::Termination& termination) {
  logging::configure("consilium-client", {});  // until the configuration is read
  CONSILIUM_ASSIGN(client::ClientConfig config, client::read_client_config(config_file));
  logging::configure("consilium-client", config.log, config.site);
  logging::event(logging::Event::kProgramStarted, {.more = {{"file", config_file}, {"version", CONSILIUM_VERSION}}},
                 "consilium-client " CONSILIUM_VERSION " of site " + config.site + ", with " + config_file);
  CONSILIUM_ASSIGN(auto created, client::Daemon::create(std::move(config), std::filesystem::path(config_file)));
  // A signal may still come while the program ends, so the daemon lives as long as the functions that signals call.
  const std::shared_ptr<client::Daemon> daemon = std::move(created);
  termination.on_signal([daemon] { daemon->stop(); }, [daemon] { daemon->reload(); });
  daemon->run();
  return {};
}

Result<int> run_daemon(const std::string& config_file, bool check_only) {
  wire::restrict_to_tls13();
  wire::route_grpc_log(wire::GrpcLog::kDebug);
  process::Termination termination;
  if (check_only) {
    CONSILIUM_ASSIGN(const client::ClientConfig config, client::read_client_config(config_file));
    logging::configure("consilium-client", config.log, config.site);
    return check(config_file, config);
  }
  if (const auto done = take_part(config_file, termination); !done) {
    logging::event(logging::Event::kProgramFailed, {}, done.error().message);
    return 1;
  }
  return 0;
}

/// Prints help if the user asked for it. Otherwise prints what is wrong with the command line, and which command's help
/// to read.
int report(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::string command;
  for (const CLI::App* at = &app; at != nullptr;) {
    command += (command.empty() ? "" : " ") + at->get_name();
    const auto chosen = at->get_subcommands();
    at = chosen.empty() ? nullptr : chosen.front();
  }
  std::cerr << "consilium-client: " << error.what() << "; see '" << command << " --help'\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  process::forbid_core_dumps();
  CLI::App app("Lets a hospital take part in federated training; opens every connection and listens on none.",
               "consilium-client");
  app.footer(
      "Examples:\n  consilium-client join north --wait --start\n"
      "  consilium-client --config /etc/consilium/client.yaml --check\n  consilium-client --config "
      "/etc/consilium/client.yaml\n"
      "  consilium-client roster check roster-4.yaml\n  consilium-client check-data chest --sheet chest.png\n"
      "  consilium-client jobs\n  consilium-client approve chest-xray-1     # shows the job, then asks\n\nThe commands "
      "read /etc/consilium/client.yaml, or what --config names after the command.\n"
      "Exit codes: 0 stopped on request, 1 failure, 2 usage.");
  app.set_version_flag("--version", CONSILIUM_VERSION);
  std::string config_file;
  bool check_only = false;
  app.add_option("--config", config_file, "the daemon's configuration (configs/client.yaml is a commented example)");
  app.add_flag("--check", check_only,
               "only check configuration, policy, certificate, key, list and roster, and whether a trainer starts and "
               "can read the data sets, without connecting and without leaving a file");
  app.require_subcommand(0, 1);
  std::function<Result<int>()> action = [&] { return run_daemon(config_file, check_only); };
  client::add_check_data_command(app, action);
  client::add_join_command(app, action, std::cin, std::cout, ::isatty(STDIN_FILENO) == 1);
  client::add_enroll_command(app, action, std::cout);
  client::add_roster_command(app, action, std::cout);
  client::add_ledger_command(app, action, std::cout);
  client::add_own_model_command(app, action, std::cout);
  approval::add_approval_commands(app, action, std::cin, std::cout);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty() && config_file.empty()) throw CLI::RequiredError("--config");
  } catch (const CLI::ParseError& error) {
    return report(app, error);
  }
  const Result<int> outcome = action();
  if (!outcome) std::cerr << "consilium-client: " << outcome.error().message << '\n';
  return outcome.value_or(1);
}
