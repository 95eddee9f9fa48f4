#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "common/error/error.h"

namespace consilium::client {

/// Declares `check-data NAME`. The command has the site's trainer read a configured data set, and prints a summary for
/// the people at the site. The client itself opens no image: the trainer's program replaces it.
/// @param action  set to a function that runs the command, if the command line names it
void add_check_data_command(CLI::App& app, std::function<Result<int>()>& action);

}  // namespace consilium::client
