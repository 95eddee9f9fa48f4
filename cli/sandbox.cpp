#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "cli/command.h"
#include "cli/sandbox/sandbox_run.h"

namespace consilium::cli {

void add_sandbox(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "sandbox", "Try a whole federation: a coordinator and hospitals as real processes on this machine");
  const auto options = std::make_shared<SandboxOptions>();
  add_simulation_options(*command, *options);
  command->get_option("--data")->required();
  command->add_option("--keep", options->keep,
                      "folder for the consortium, which is kept: keys, configurations, data, results");
  add_json_option(*command, options->json);
  command->footer(
      "Examples:\n"
      "  consilium sandbox examples/chest-xray.yaml --data pneumoniamnist.npz --sites 4 --per-site 80\n"
      "  consilium sandbox job.yaml --data fashion.npz --sites 4 --per-site 80 --keep consortium\n"
      "  consilium simulate job.yaml --site-data consortium/data --out again     # the same model, byte for byte");
  command->callback([options, &action] { action = [options] { return run_sandbox(*options); }; });
}

}  // namespace consilium::cli
