#include "cli/version.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"

namespace consilium::cli {

void add_version(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("version", "Print the version of this command");
  const auto json = std::make_shared<bool>(false);
  add_json_option(*command, *json);
  command->callback([json, &action] {
    action = [json]() -> Result<int> {
      if (*json) {
        fmt::print("{{\"version\": \"{}\"}}\n", kVersion);
      } else {
        fmt::print("consilium {}\n", kVersion);
      }
      return kSuccess;
    };
  });
}

}  // namespace consilium::cli
