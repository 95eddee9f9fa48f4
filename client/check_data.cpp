#include "client/check_data.h"

#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/daemon_config.h"
#include "common/files/descriptor.h"

namespace consilium::client {
namespace {

struct Options {
  std::string config = kDefaultConfigFile;
  std::string dataset;
  std::string sheet;
  bool json = false;
};

Result<std::vector<std::string>> command_of(const Options& options) {
  CONSILIUM_ASSIGN(const ClientConfig config, read_client_config(options.config));
  const auto found = config.datasets.find(options.dataset);
  if (found == config.datasets.end()) {
    std::string known;
    for (const auto& [name, source] : config.datasets) known += (known.empty() ? "" : ", ") + name;
    return fail(ErrorCode::kNotFound,
                options.config + ": datasets: no '" + options.dataset + "'; expected one of: " + known);
  }
  std::vector<std::string> command = trainer_command(config);
  command.insert(command.end(), {"inspect", "--description", trainer::to_json(found->second).dump(), "--threads",
                                 std::to_string(found->second.loading.threads)});
  if (!options.sheet.empty()) command.insert(command.end(), {"--sheet", options.sheet});
  if (options.json) command.emplace_back("--json");
  return command;
}

Result<int> check_data(const Options& options) {
  CONSILIUM_ASSIGN(std::vector<std::string> command, command_of(options));
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  return fail(files::system_error(command[0], "start the trainer"));
}

}  // namespace

void add_check_data_command(CLI::App& app, std::function<Result<int>()>& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("check-data", "Read every file of a data set and print a summary");
  command->add_option("NAME", options->dataset, "the data set's name in client.yaml")->required();
  command->add_option("--config", options->config, "the daemon's configuration")->capture_default_str();
  command->add_option("--sheet", options->sheet, "write a contact sheet (PNG) that shows masks and boxes");
  command->add_flag("--json", options->json, "print JSON for programs");
  command->footer(
      "Examples:\n  consilium-client check-data chest\n  consilium-client check-data chest --sheet chest.png\n\n"
      "Exit codes: 0 done, 1 failure, 2 usage or data that can't be used.");
  command->callback([options, &action] { action = [options] { return check_data(*options); }; });
}

}  // namespace consilium::client
