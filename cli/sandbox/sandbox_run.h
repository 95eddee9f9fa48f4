#pragma once

#include <string>

#include "cli/simulation_options.h"
#include "common/error/error.h"

namespace consilium::cli {

struct SandboxOptions : SimulationOptions {
  std::string keep;  ///< folder to make the consortium in; "": a temporary one, of which the results alone are kept
};

/// Provisions a consortium, runs the job with real daemons, compares, stops everything. Returns the exit code.
Result<int> run_sandbox(const SandboxOptions& options);

}  // namespace consilium::cli
