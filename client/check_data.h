#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "common/error/error.h"

namespace consilium::client {

/// Declares `check-data NAME`: lets the site's trainer read a configured data set and print what lies in it, for the
/// people at the site. The client itself opens no image: the trainer's program takes its place.
/// @param action  set to what the command does, if it is given
void add_check_data_command(CLI::App& app, std::function<Result<int>()>& action);

}  // namespace consilium::client
