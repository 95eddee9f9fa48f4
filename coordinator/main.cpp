#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include "common/files/findings.h"
#include "common/files/state_dir.h"
#include "common/logging/event.h"
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

Result<void> serve(const std::string& config_file, process::Termination& termination) {
  logging::configure("consilium-coordinator", {});  // until the configuration is read
  CONSILIUM_ASSIGN(coordinator::CoordinatorConfig config, coordinator::read_coordinator_config(config_file));
  logging::configure("consilium-coordinator", config.log);
  logging::event(logging::Event::kProgramStarted, {.more = {{"file", config_file}, {"version", CONSILIUM_VERSION}}},
                 "consilium-coordinator " CONSILIUM_VERSION ", with " + config_file);
  CONSILIUM_ASSIGN(auto started, coordinator::Daemon::start(std::move(config), std::filesystem::path(config_file)));
  // A signal may still come while the program ends, so the daemon lives as long as the functions that signals call.
  const std::shared_ptr<coordinator::Daemon> daemon = std::move(started);
  termination.on_signal([daemon] { daemon->stop(); }, [daemon] { daemon->reload(); });
  daemon->run();
  return {};
}

Result<int> run(const std::string& config_file, bool check_only) {
  wire::restrict_to_tls13();
  process::Termination termination;
  if (check_only) {
    CONSILIUM_ASSIGN(const coordinator::CoordinatorConfig config, coordinator::read_coordinator_config(config_file));
    logging::configure("consilium-coordinator", config.log);
    return check(config_file, config);
  }
  if (const auto done = serve(config_file, termination); !done) {
    logging::event(logging::Event::kProgramFailed, {}, done.error().message);
    return 1;
  }
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
