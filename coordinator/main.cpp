#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <utility>

#include "common/files/findings.h"
#include "common/files/state_dir.h"
#include "common/logging/logging.h"
#include "common/process/termination.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/config_check.h"
#include "coordinator/daemon.h"

using namespace consilium;

namespace {

/// Performs --check, as the user who owns the state folder.
Result<int> check(const std::string& config_file, const coordinator::CoordinatorConfig& config) {
  CONSILIUM_ASSIGN(const std::string user, files::become_owner(config.state_dir));
  return files::tell_findings("consilium-coordinator", config_file, user, coordinator::check_config(config));
}

Result<int> run(const std::string& config_file, bool check_only) {
  wire::restrict_to_tls13();
  process::Termination termination;
  CONSILIUM_ASSIGN(coordinator::CoordinatorConfig config, coordinator::read_coordinator_config(config_file));
  logging::configure("consilium-coordinator", config.log);
  if (check_only) return check(config_file, config);
  auto daemon = coordinator::Daemon::start(std::move(config));
  if (!daemon) {
    spdlog::error("{}", daemon.error().message);
    return 1;
  }
  termination.on_signal([&daemon] { (*daemon)->stop(); },
                        [] {
                          spdlog::info(
                              "SIGHUP: certificate, key, root and revocation list are read whenever they change; "
                              "coordinator.yaml is read at the next start");
                        });
  (*daemon)->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Coordinates federated training for a consortium of hospitals.", "consilium-coordinator");
  app.footer(
      "Examples:\n  consilium-coordinator --config /etc/consilium/coordinator.yaml --check\n"
      "  consilium-coordinator --config /etc/consilium/coordinator.yaml\n\n"
      "Exit codes: 0 stopped on request, 1 failure, 2 usage.");
  app.set_version_flag("--version", CONSILIUM_VERSION);
  std::string config_file;
  bool check_only = false;
  app.add_option("--config", config_file,
                 "the daemon's configuration (configs/coordinator.yaml is a commented example)")
      ->required();
  app.add_flag("--check", check_only,
               "only check configuration, certificate, key, revocation list, state_dir and port; leaves no file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const Result<int> code = run(config_file, check_only);
  if (!code) std::cerr << "consilium-coordinator: " << code.error().message << '\n';
  return code.value_or(1);
}
