#pragma once

#include <functional>
#include <iosfwd>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::client {

/// Declares `own-model`. The command puts the tensors that a job left to this site (model.local) into the federation's
/// model, so that the site has the complete model that it trained.
void add_own_model_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::client
