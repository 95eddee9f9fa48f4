#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/logging/logging.h"
#include "common/process/termination.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/daemon.h"

using namespace consilium;

namespace {

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
    if (const auto checked = coordinator::Daemon::check(*config); !checked) {
      std::cerr << "consilium-coordinator: " << checked.error().message << '\n';
      return 1;
    }
    if (config->tls.revocation_list.empty()) {
      std::cout << "warning: coordinator.yaml: tls.revocation_list: names no file, so no certificate is ever revoked; "
                   "name the authority's newest crl.pem\n";
    }
    std::cout << config_file << ": ok\n";
    return 0;
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
               "only check configuration, certificate, key, revocation list and state_dir; writes nothing");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(config_file, check_only);
}
