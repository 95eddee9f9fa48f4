#pragma once

#include <string>

#include "cli/simulation_options.h"
#include "common/error/error.h"

namespace consilium::cli {

struct SandboxOptions : SimulationOptions {
  std::string
      keep;  ///< folder in which to create the consortium; "": a temporary one, of which only the results are kept
};

/// Provisions a consortium, runs the job with real daemons, compares the models, and stops everything. Returns the exit
/// code.
Result<int> run_sandbox(const SandboxOptions& options);

}  // namespace consilium::cli
