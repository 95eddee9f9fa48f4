#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/files/state_dir.h"
#include "common/logging/logging.h"
#include "common/process/termination.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/config_check.h"
#include "coordinator/daemon.h"

using namespace consilium;

namespace {

/// Carries out --check; what keeps the coordinator from its work goes to standard error.
int check(const std::string& config_file, const coordinator::CoordinatorConfig& config) {
  const auto user = files::become_owner(config.state_dir);
  if (!user) {
    std::cerr << "consilium-coordinator: " << user.error().message << '\n';
    return 1;
  }
  if (!user->empty()) std::cout << "checked as the user '" << *user << "', who owns state_dir\n";
  coordinator::Findings findings = coordinator::check_config(config);
  if (!user->empty() && ::access(config_file.c_str(), R_OK) != 0)
    findings.problems.push_back(config_file + ": the user '" + *user + "' may not read it; chown it to that user");
  for (const std::string& warning : findings.warnings) std::cout << "warning: " << warning << '\n';
  for (const std::string& problem : findings.problems) std::cerr << "consilium-coordinator: " << problem << '\n';
  if (findings.problems.empty()) std::cout << config_file << ": ok\n";
  return findings.problems.empty() ? 0 : 1;
}

int run(const std::string& config_file, bool check_only) {
  wire::restrict_to_tls13();
  process::Termination termination;
  auto config = coordinator::read_coordinator_config(config_file);
  if (!config) {
    std::cerr << "consilium-coordinator: " << config.error().message << '\n';
    return 1;
  }
  logging::configure("consilium-coordinator", config->log);
  if (check_only) {
    return check(config_file, *config);
  }
  auto daemon = coordinator::Daemon::start(std::move(*config));
  if (!daemon) {
    spdlog::error("{}", daemon.error().message);
    return 1;
  }
  termination.on_signal([&daemon] { (*daemon)->stop(); });
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
  return run(config_file, check_only);
}
